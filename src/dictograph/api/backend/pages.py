"""An OpenAPI document as a page to read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

Shape = Mapping[str, Any]

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
  background: #fff }
h2 { border-bottom: 1px solid #d0d7de; text-transform: capitalize; margin-top: 2.5rem }
h4 { margin: 1rem 0 .25rem } p { margin: .5rem 0 }
details { border: 1px solid #d0d7de; border-radius: 6px; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer } code { font-size: .9em } .method { font-weight: 600; display: inline-block; width: 4.5rem }
table { border-collapse: collapse; width: 100% } td, th { text-align: left; vertical-align: top; padding: .2rem .6rem
  .2rem 0; border-bottom: 1px solid #eaeef2 } .type { color: #57606a }
@media (prefers-color-scheme: dark) { body { color: #e6edf3; background: #0d1117 } h2, details, td, th {
  border-color: #30363d } .type { color: #9ea7b3 } }
"""

_METHODS = ("get", "post", "put", "patch", "delete")


def page(document: Shape, *, unfolded: bool) -> str:
    """Return the whole page. `unfolded`: every operation is open from the start, and the schemas follow."""
    title, version = _text(document["info"]["title"]), _text(document["info"]["version"])
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title} API</title><style>{STYLE}</style></head><body>",
        f'<h1>{title} <span class="type">{version}</span></h1>',
        _paragraph(document["info"].get("description", "")),
        '<p>As a document for programs: <a href="/openapi.json">openapi.json</a></p>',
        *_sections(document, unfolded),
        *(_schemas(document) if unfolded else ()),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _sections(document: Shape, unfolded: bool) -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if (operation := methods.get(method)) is not None:
                tag = (operation.get("tags") or ["service"])[0]
                by_tag.setdefault(tag, []).append(_operation(method, path, operation, unfolded))
    for tag, operations in by_tag.items():
        yield f"<h2>{_text(tag)}</h2>"
        yield from operations


def _operation(method: str, path: str, operation: Shape, unfolded: bool) -> str:
    description = operation.get("description") or operation.get("summary", "")
    first = _marked(description.partition("\n\n")[0])
    head = f'<code><span class="method">{method.upper()}</span> {_text(path)}</code> {first}'
    return "\n".join(
        [
            f"<details{' open' if unfolded else ''}><summary>{head}</summary>",
            _paragraph(description.partition("\n\n")[2]),
            *_parameters(operation.get("parameters", ())),
            *_body(operation.get("requestBody", {})),
            *_answers(operation.get("responses", {})),
            "</details>",
        ]
    )


def _parameters(parameters: Any) -> Iterator[str]:
    rows = [
        (one["name"], f"{one['in']}, {_kind(one.get('schema', {}))}", one.get("description", "")) for one in parameters
    ]
    yield from _table("Parameters", rows)


def _body(body: Shape) -> Iterator[str]:
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        rows = list(_fields(schema)) or [("", _kind(schema), "")]
        yield from _table(f"Body as {kind}", rows)


def _answers(answers: Shape) -> Iterator[str]:
    rows = []
    for status, answer in answers.items():
        kinds = [f"{kind} {_kind(content.get('schema', {}))}" for kind, content in answer.get("content", {}).items()]
        rows.append((status, ", ".join(kinds), answer.get("description", "")))
    yield from _table("Answers", rows)


def _schemas(document: Shape) -> Iterator[str]:
    yield "<h2>Schemas</h2>"
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        yield f'<h3 id="{_anchor(name)}">{_text(name)}</h3>'
        yield _paragraph(schema.get("description", ""))
        yield from _table("", list(_fields(schema)))


def _fields(schema: Shape) -> Iterator[tuple[str, str, str]]:
    for name, field in schema.get("properties", {}).items():
        needed = ", required" if name in schema.get("required", ()) else ""
        yield name, _kind(field) + needed, field.get("description", "")


def _table(heading: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    if not rows:
        return
    if heading:
        yield f"<h4>{_text(heading)}</h4>"
    yield "<table>"
    for name, kind, text in rows:
        yield f'<tr><td><code>{_text(name)}</code></td><td class="type">{_text(kind)}</td><td>{_marked(text)}</td></tr>'
    yield "</table>"


def _kind(schema: Shape) -> str:
    """Return a schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(_kind(one) for one in schema[several])
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"array of {_kind(schema.get('items', {}))}"
    return str(schema.get("title") if schema.get("type") == "object" and "title" in schema else schema.get("type", ""))


def _paragraph(text: str) -> str:
    return "\n".join(f"<p>{_marked(part)}</p>" for part in text.split("\n\n") if part.strip())


def _marked(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _anchor(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", name)


def _text(given: object) -> str:
    return escape(str(given))
