"""The documentation keeps step with the code: nothing is missing from it, and it leads nowhere that is not there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

from dictograph.api.app import create_app
from dictograph.api.openapi_schemas import event_content
from dictograph.api.views import JobView
from dictograph.cli.main import cli
from dictograph.contract import Contract
from dictograph.errors import DictographError
from dictograph.formats import FORMATS
from dictograph.job import Options
from dictograph.run_server import AgentDied
from dictograph.runtime.crash import Point
from dictograph.service.services import Services
from dictograph.settings.model import Settings, variable

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
REFERENCE = ROOT / "docs" / "reference"

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WARNING = re.compile(r"\b(?:JobWarning|job_warnings)\(\s*\"([a-z_]+)\"")
_LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> set[str]:
    """The headings of a page as a link to them is written: https://docs.github.com, "Section links"."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next of its level or above."""
    _, found, rest = page.partition(f"\n{heading}\n")
    assert found, f"there is no {heading}"
    level = heading.partition(" ")[0]
    return re.split(rf"^#{{2,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: str) -> Iterator[list[str]]:
    """The cells of all rows of all tables of a reference page."""
    for line in (REFERENCE / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def errors(kind: type[DictographError] = DictographError) -> Iterator[type[DictographError]]:
    if kind.__module__ in ("dictograph.errors", "dictograph.api.error_responses", "dictograph.run_server"):
        yield kind
    for child in kind.__subclasses__():
        yield from errors(child)


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ("dictograph",)
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from commands(child, (*path, name))


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """What the OpenAPI document describes of the native API, by method and path. Other contracts have pages of their
    own, and tag their operations with their name."""
    others = {contract.value for contract in Contract if contract is not Contract.NATIVE}
    nothing: Any = None
    services = Services(*[nothing] * len(Services.__dataclass_fields__))
    document = create_app(services, Settings()).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not others & set(operation.get("tags", ())):
                yield f"{method.upper()} {path}", operation


def shell_lines(page: Path) -> Iterator[str]:
    """The command lines of a page's shell blocks, without what is shown of their output."""
    for language, text in _FENCED.findall(page.read_text(encoding="utf-8")):
        if language == "bash":
            yield from text.splitlines()
        elif language == "console":
            yield from (line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(target), f"{link}: there is no such heading"


def test_every_page_can_be_reached_from_the_index() -> None:
    linked = {
        (ROOT / "docs" / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(ROOT / "docs/index.md"))
    }
    assert [page for page in ROOT.glob("docs/**/*.md") if page.name != "index.md" and page not in linked] == []


def test_every_error_is_in_the_reference_as_it_is() -> None:
    table = {row[0].strip("`"): row[1:] for row in rows("errors.md")}
    for kind in errors():
        assert kind.code in table, f"{kind.code} is missing"
        cells = table[kind.code]
        if kind.stage is not None:
            assert kind.stage.value in cells, f"{kind.code} has another stage"
        if len(cells) == 3 and cells[0][:1].isdigit():
            assert str(kind.status) in cells[0], f"{kind.code} is answered with {kind.status}"
        elif len(cells) == 3 and kind.__name__ not in ("FetchError", "ModelUnavailable"):  # share a retryable's code
            assert cells[1] == ("yes" if kind.retryable else "no"), f"{kind.code}: is it tried again?"


def test_every_warning_is_in_the_reference_and_nothing_that_is_not_there() -> None:
    known = {kind.code for kind in errors()} | {AgentDied.code, "method_not_allowed"}
    warnings = set(_WARNING.findall("".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))))
    named = {row[0].strip("`") for row in rows("errors.md") if row[0].startswith("`")}
    assert named - known - warnings == set()
    assert warnings - named == set()


def test_every_command_and_its_options_are_in_the_reference() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    for name, command in commands():
        part = section(page, f"### `{name}`")
        options = {
            word for parameter in command.params if isinstance(parameter, click.Option) for word in parameter.opts
        }
        assert [word for word in sorted(options) if f"`{word}`" not in part] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_dictograph_command_that_is_shown_can_be_given(page: Path) -> None:
    known = dict(commands())
    for line in shell_lines(page):
        found = re.search(r"(?:^|[ /])(dictograph (?!serve`)[a-z].*?)(?:\)|;|\||>| #|$)", line)
        if found is None or "dictograph.service" in line or line.startswith(("sudo", "git")):
            continue
        words = shlex.split(found[1])
        name = next((name for name in known if words[: len(name.split())] == name.split()), None)
        assert name is not None, f"there is no command for {line}"
        known[name].make_context(name, words[len(name.split()) :])


def test_every_route_with_its_parameters_is_in_the_reference() -> None:
    page = (REFERENCE / "http.md").read_text(encoding="utf-8")
    for name, operation in operations():
        part = section(page, f"## `{name}`")
        parameters = [one["name"] for one in operation.get("parameters", []) if one["in"] != "path"]
        assert [one for one in parameters if f"`{one}`" not in part and f"`?{one}=" not in part] == [], name


def test_every_option_and_every_field_of_a_job_is_in_the_reference() -> None:
    page = (REFERENCE / "http.md").read_text(encoding="utf-8")
    table = {row[0].strip("`"): row[1] for row in rows("http.md")}
    for name, field in Options.model_fields.items():
        default = "" if field.default is None else str(field.default).lower().removesuffix(".0")
        assert table.get(name, "missing").strip("`") == default, name
    job = section(page, "## A job")
    assert [name for name in JobView.model_fields if f"`{name}`" not in job] == []


def test_every_event_is_in_the_reference() -> None:
    record = event_content()["text/event-stream"]["schema"]
    named = {row[0].strip("`") for row in rows("events.md")}
    assert set(record["properties"]["event"]["enum"]) - named == set()


def test_every_format_and_every_crash_point_is_named() -> None:
    table = {row[0]: row[1:] for row in rows("formats.md")}
    for name, format in FORMATS.items():
        assert table[f"`{name}`"][:2] == [f"`{format.media_type}`", f"`{format.suffix}`"]
    page = (ROOT / "docs/explanation/crash-points.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z.]+)`", page, re.MULTILINE) == [point.value for point in Point]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_that_is_named_is_one(page: Path) -> None:
    known = {variable(name) for name in Settings.model_fields} | {"DICTOGRAPH_CONFIG"}
    assert set(re.findall(r"\bDICTOGRAPH_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8"))) - known == set()
