"""The places that settings are read from under their own names, and how one goes before another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dictograph.errors import SettingsError
from dictograph.settings.files import read_dotenv, read_toml

PREFIX = "DICTOGRAPH_"

COMMAND_LINE, ENVIRONMENT, DOTENV, DEFAULT = "command line", "environment", ".env", "default"


@dataclass(frozen=True, slots=True)
class Layer:
    """Values by the field that they are for, and in words where each came from."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, origin: str, values: Mapping[str, Any]) -> Layer:
        """All values from one place."""
        return cls(values, dict.fromkeys(values, origin))


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to read: variables, those of the file .env, and the folder with files; `named` are the variables
    of a file that the command line names, which are among those of the environment, and `named_file` is that file."""

    environment: Mapping[str, str]
    dotenv: Mapping[str, str]
    folder: Path
    named: Mapping[str, str] = field(default_factory=dict)
    named_file: Path | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], folder: Path, named_file: Path | None = None) -> Sources:
        """With the .env of that folder, and the file that the command line names. Raises SettingsError."""
        named = {} if named_file is None else _variables_of(named_file)
        return cls({**environment, **named}, read_dotenv(folder / DOTENV), folder, named, named_file)


def merged(layers: Iterable[Layer]) -> Layer:
    """All layers in one; `layers` come strongest first."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in reversed(list(layers)):
        values |= layer.values
        origins |= layer.origins
    return Layer(values, origins)


def own_layers(overrides: Mapping[str, Any], sources: Sources, known: Collection[str]) -> list[Layer]:
    """What is said under the settings' own names, strongest first. `known` are the fields that there are.

    Raises:
        SettingsError: for a name that is no setting, with its place.
    """
    return [
        Layer.of(COMMAND_LINE, {name: value for name, value in overrides.items() if value is not None}),
        Layer.of(str(sources.named_file), _prefixed(sources.named, str(sources.named_file), known)),
        Layer.of(ENVIRONMENT, _prefixed(sources.environment, "the environment", known)),
        Layer.of(DOTENV, _prefixed(sources.dotenv, DOTENV, known)),
        _toml(sources, known),
    ]


def _variables_of(file: Path) -> Mapping[str, str]:
    """What a file that the command line names says; a TOML file is named to be read in its turn."""
    if not file.is_file():
        raise SettingsError(f"--config names {file}, which is not a file.")
    return {f"{PREFIX}CONFIG": str(file)} if file.suffix == ".toml" else read_dotenv(file)


def variable(field: str) -> str:
    """The environment variable of a field."""
    return PREFIX + field.upper()


def _prefixed(source: Mapping[str, str], place: str, known: Collection[str]) -> dict[str, str]:
    found = {}
    for name, value in source.items():
        if not name.startswith(PREFIX) or name == f"{PREFIX}CONFIG":
            continue
        field = name[len(PREFIX) :].lower()
        if field not in known:
            raise SettingsError(f"{name} in {place} is no setting of Dictograph.{_suggestion(field, known)}")
        if value.strip():
            found[field] = value.strip()
    return found


def _toml(sources: Sources, known: Collection[str]) -> Layer:
    named = sources.environment.get(f"{PREFIX}CONFIG") or sources.dotenv.get(f"{PREFIX}CONFIG")
    file = Path(named).expanduser() if named else sources.folder / "dictograph.toml"
    if not file.is_file():
        if named:
            raise SettingsError(f"{PREFIX}CONFIG names {file}, which is not a file.")
        return Layer()
    values = read_toml(file)
    for name in values:
        if name not in known:
            raise SettingsError(f"{name} in {file} is no setting of Dictograph.{_suggestion(name, known)}")
    return Layer.of(str(file.name), values)


def _suggestion(field: str, known: Collection[str]) -> str:
    close = get_close_matches(field, known, n=1)
    return f" Did you mean {variable(close[0])}?" if close else " `dictograph settings` lists them all."
