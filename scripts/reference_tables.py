"""Write the tables of the reference that are made from the lists of formats and options.

The pages' own words stay as they are: a table goes between `<!-- NAME -->` and `<!-- end -->`.
`reference_tables.py --check` writes nothing and fails when a page is not what would be written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from dictograph.api.asr.parameters import OUTPUTS
from dictograph.api.openai.response_formats import RESPONSE_FORMATS
from dictograph.audio.containers.accepted import AUDIO_FORMATS, VIDEO_FORMATS
from dictograph.cli.transcribe.command import transcribe
from dictograph.cli.transcribe.options import FormatList, limits, schemas
from dictograph.formats import FORMATS

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
PAGES = ("formats.md", "http.md", "cli.md")

_PLACE = re.compile(r"<!-- ([a-z ]+) -->(\n?).*?<!-- end -->", re.DOTALL)


def accepted() -> Iterator[str]:
    """Yield the rows of the formats that are read."""
    yield from ("| | |", "| --- | --- |")
    yield f"| audio | {', '.join(AUDIO_FORMATS)} |"
    yield f"| video | {', '.join(VIDEO_FORMATS)} |"


def formats() -> Iterator[str]:
    """Yield the rows of the formats."""
    yield from ("| name | media type | file | what it is |", "| --- | --- | --- | --- |")
    for format in FORMATS.values():
        yield f"| `{format.name}` | `{format.media_type}` | `{format.suffix}` | {format.description} |"


def format_names() -> Iterator[str]:
    """Yield the names of the formats on one line."""
    yield _names(FORMATS)


def response_formats() -> Iterator[str]:
    """Yield the formats of OpenAI's API on one line."""
    yield _names(RESPONSE_FORMATS)


def asr_outputs() -> Iterator[str]:
    """Yield the formats of whisper-asr-webservice on one line."""
    yield _names(OUTPUTS)


def options() -> Iterator[str]:
    """Yield the rows of the options."""
    yield from ("| option | default | |", "| --- | --- | --- |")
    for name, schema in schemas().items():
        default = "" if schema["default"] is None else f"`{_value(schema['default'])}`"
        yield f"| `{name}` | {default} | {_meaning(schema)} |".replace("|  |", "| |")


def transcribe_options() -> Iterator[str]:
    """Yield the rows of the options of `dictograph transcribe`."""
    yield from ("| option | |", "| --- | --- |")
    for parameter in transcribe.params:
        if isinstance(parameter, click.Option):
            names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
            yield f"| {names} | {_help(parameter)} |"


TABLES = {
    "accepted": accepted,
    "formats": formats,
    "format names": format_names,
    "response formats": response_formats,
    "asr outputs": asr_outputs,
    "options": options,
    "transcribe options": transcribe_options,
}


def filled(text: str) -> str:
    """Return the page with its tables as they are now."""
    return _PLACE.sub(_filled, text)


def _filled(place: re.Match[str]) -> str:
    name, newline = place[1], place[2]
    return f"<!-- {name} -->{newline}" + "\n".join(TABLES[name]()) + f"{newline}<!-- end -->"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _value(default: Any) -> str:
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def _meaning(schema: dict[str, Any]) -> str:
    said = _in_a_cell(schema["description"])
    if "minimum" in schema:
        return f"{limits(schema)}: {said}"
    return f"{said}; {limits(schema)}" if limits(schema) else said


def _help(option: click.Option) -> str:
    said = _in_a_cell(option.help or "")
    if isinstance(option.type, FormatList):
        return f"{_names(FORMATS)}: {said}"
    if not isinstance(option.type, click.Choice):
        return said
    choices = (f"`{one}`{' (default)' if one == option.default else ''}" for one in option.type.choices)
    return f"{', '.join(choices)}: {said}"


def _in_a_cell(sentence: str) -> str:
    text = sentence.removesuffix(".")
    return text[:1].lower() + text[1:]


def main() -> int:
    check, wrong = "--check" in sys.argv[1:], 0
    for page in (REFERENCE / name for name in PAGES):
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        if before == after:
            continue
        if check:
            wrong = 1
            print(f"{page.name} is not what the formats and options say: run `make docs`.", file=sys.stderr)
        else:
            page.write_text(after, encoding="utf-8")
            print(f"wrote {page.name}")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
