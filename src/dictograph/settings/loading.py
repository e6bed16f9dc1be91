"""Load the settings, with where each value came from.

Values are taken, strongest first, from: the command line, the file that it names with `--config`, the environment
(`DICTOGRAPH_*`), the file `.env` in the working folder, a TOML file (`DICTOGRAPH_CONFIG`, else `dictograph.toml` in the
working folder), the names that older systems had for them, the defaults of profiles (`dictograph.settings.profiles`
for both), the built-in defaults. An unknown name or a bad value is an error that names it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dictograph.errors import SettingsError
from dictograph.runtime.redaction import redacted
from dictograph.settings.layers import DEFAULT, Layer, Sources, merged, own_layers, variable
from dictograph.settings.model import Settings
from dictograph.settings.profiles.layers import with_profiles


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with the origin of each value ("default", "environment", the name of a file, …).

    Args:
        warnings: a sentence for each name in a file that has no meaning here.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: Sequence[str] = ()


def load(
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    named_file: Path | None = None,
) -> Loaded:
    """Read the settings.

    Args:
        overrides: values of the command line, by field name; None values count as not given.
        environment: variables to use in place of `os.environ`.
        folder: where to look for `.env`, `dictograph.toml` and `config.ini`, by default the working folder.
        named_file: a file of variables that are stronger than those of the environment, or a TOML file.

    Raises:
        SettingsError: for an unknown name or a bad value; the message names it and its place.
    """
    sources = Sources.of(os.environ if environment is None else environment, folder or Path.cwd(), named_file)
    stated = merged(own_layers(overrides or {}, sources, Settings.model_fields))
    theirs = with_profiles(stated, sources)
    origins = {**dict.fromkeys(Settings.model_fields, DEFAULT), **theirs.layer.origins, **theirs.yielded}
    return Loaded(_validated(theirs.layer, stated), origins, theirs.warnings)


def _validated(layer: Layer, stated: Layer) -> Settings:
    try:
        return Settings(**layer.values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        reason = first["msg"].removeprefix("Value error, ")
        origin = layer.origins[field]
        # A value that was given by an older system's name is reported by that name.
        name = f"{variable(field)} (from {origin})" if field in stated.values else origin
        raise SettingsError(f"{name} cannot be {redacted(repr(first['input']))}: {reason}.") from error
