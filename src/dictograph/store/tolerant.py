"""Tolerant reading of rows that a later version may have written: known values, and the rest as stored.

A request is checked strictly when it comes in. A row is read tolerantly: a row that this version understands only in
part must stop neither a list nor a worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import ValidationError

from dictograph.contract import JobLimits
from dictograph.job import Options

Kind = TypeVar("Kind", bound=StrEnum)

_LIMITS = frozenset(JobLimits.__dataclass_fields__)


def known_or_text(kind: type[Kind], text: str) -> Kind | str:
    """Return the member of `kind` that `text` names, else the text itself."""
    try:
        return kind(text)
    except ValueError:
        return text


def read_options(stored: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Return the options that this version knows, and by name those whose name or value it does not know."""
    try:
        return Options.model_validate(stored), {}
    except ValidationError as error:
        beyond = {str(one["loc"][0]) for one in error.errors(include_url=False, include_context=False) if one["loc"]}
    known = {name: value for name, value in stored.items() if name not in beyond}
    return Options.model_validate(known), {name: stored[name] for name in stored if name in beyond}


def read_limits(stored: Mapping[str, Any]) -> tuple[JobLimits, dict[str, Any]]:
    """Return the limits that this version knows, and by name those whose name or value it does not know."""
    known = {name: value for name, value in stored.items() if name in _LIMITS and _is_number(value)}
    return JobLimits(**known), {name: value for name, value in stored.items() if name not in known}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
