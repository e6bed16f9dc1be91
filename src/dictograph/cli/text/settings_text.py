"""Settings in the form in which people write them: `15m`, `4GiB`, lists with commas; secrets masked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

from dictograph.runtime.redaction import HIDDEN, is_secret, redacted
from dictograph.settings.model import Settings
from dictograph.settings.values import Bytes, Seconds

_TIMES = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_SIZES = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def as_text(name: str, value: object) -> str:
    """Return a setting's value in the form in which it can be given, not masked; "" for no value."""
    hint = get_type_hints(Settings, include_extras=True)[name]
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)) and hint in (Seconds, Bytes):
        return _with_unit(value, _TIMES if hint == Seconds else _SIZES)
    if isinstance(value, list):
        return ",".join(str(part) for part in value)
    if isinstance(value, Mapping):
        return ",".join(f"{key}={target}" for key, target in value.items())
    return str(value)


def shown(name: str, value: object) -> str:
    """Return a setting's value for display, with its secrets masked."""
    text = as_text(name, value)
    return HIDDEN if text and is_secret(name) else redacted(text)


def shown_as_json(name: str, value: object) -> object:
    """Return a setting's value for JSON, with its secrets masked."""
    if isinstance(value, (str, Path)):
        return shown(name, value)
    if is_secret(name) and value:
        return HIDDEN
    if isinstance(value, list):
        return [redacted(str(part)) for part in value]
    return value


def _with_unit(value: float, units: Mapping[str, int]) -> str:
    if value and value == int(value):
        for unit, size in units.items():
            if value % size == 0:
                return f"{int(value) // size}{unit}"
    return f"{value:.6f}".rstrip("0").rstrip(".")
