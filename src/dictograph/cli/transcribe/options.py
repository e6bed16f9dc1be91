"""The options of a transcription on the command line, made from the model that defines all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem
from pydantic import BaseModel

from dictograph.formats import FORMATS
from dictograph.formats.subtitle_rules import ALIASES, AskedRules
from dictograph.job import Options

F = TypeVar("F", bound=Callable[..., Any])

#: On the command line these are settings, under the same names.
_SETTINGS = ("engine", "model")

#: Shorter names beside the long ones, as click writes them: ` /--no-x` turns off.
_SHORTER = {"language": "-l", "word_timestamps": "--words", "vad_filter": " /--no-vad"}

_TYPES: Mapping[str, type] = {"string": str, "integer": int, "number": float}


class FormatList(click.ParamType[list[str]]):
    """Names of formats, separated by commas."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002 - click's signature
        return f"[{'|'.join(FORMATS)}][,...]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        if not isinstance(value, str):
            return list(value)
        names = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if unknown := [name for name in names if name not in FORMATS] or ([value] if not names else []):
            self.fail(f"there is no format {unknown[0]!r}; choose of {', '.join(FORMATS)}", param, ctx)
        return names

    def shell_complete(self, _: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return [CompletionItem(f"{before}{comma}{name}") for name in FORMATS if name.startswith(last)]


def transcription_options(command: F) -> F:
    """Add every option of a transcription to a command. The command gets None for each option that is not given."""
    for name, schema in reversed(schemas().items()):
        if name not in _SETTINGS:
            command = _option(name, schema)(command)
    return command


def subtitle_options(command: F) -> F:
    """Add the rules of subtitles to a command, each under its name and Whisper's."""
    others = {name: _flag(alias) for alias, name in ALIASES.items()}
    for name, schema in reversed(_schemas_of(AskedRules).items()):
        if name not in ALIASES:
            aliases = [others[name]] if name in others else []
            kind = click.FloatRange if schema["type"] == "number" else click.IntRange
            command = click.option(
                *(_flag(name), *aliases, name),
                type=kind(schema["minimum"], schema["maximum"]),
                help=schema["description"],
            )(command)
    return command


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each option: description, default, and the possible values."""
    return _schemas_of(Options)


def _schemas_of(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return {name: schema | _without_null(schema) for name, schema in properties.items()}


def limits(schema: Mapping[str, Any]) -> str:
    """Return the limits of a value in words; empty if only its type is limited."""
    if "minimum" in schema:
        return f"{schema['minimum']:g} to {schema['maximum']:g}"
    if "maxLength" in schema:
        return f"at most {schema['maxLength']} characters"
    return ""


def _option(name: str, schema: Mapping[str, Any]) -> Callable[[F], F]:
    long = f"--{name.replace('_', '-')}"
    shorter = [_SHORTER[name]] if name in _SHORTER else []
    said = f" ({limits(schema)})" if limits(schema) else ""
    help = f"{schema['description'].removesuffix('.')}{said}."
    if schema["type"] == "boolean":
        return click.option(*shorter, f"{long}/--no-{long[2:]}", name, default=None, help=help)
    kind = click.Choice(schema["enum"]) if "enum" in schema else _TYPES[schema["type"]]
    return click.option(*shorter, long, name, type=kind, help=help)


def _without_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an option's values without null, which stands for an omitted option."""
    return next((dict(kind) for kind in schema.get("anyOf", ()) if kind.get("type") != "null"), {})
