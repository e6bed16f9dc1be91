"""Which profiles there are, and which were asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dictograph.settings.layers import variable
from dictograph.settings.profiles import backend, gateway, path, stt_worker
from dictograph.settings.profiles.table import Profile
from dictograph.settings.values import comma_list

PROFILES: Mapping[str, Profile] = {one.PROFILE.name: one.PROFILE for one in (gateway, backend, path, stt_worker)}


def selected(value: Any) -> Sequence[Profile]:
    """The profiles of a setting's value, each once; names that are none are left to whoever checks the setting."""
    names = comma_list(value)
    if not isinstance(names, list):
        return ()
    return tuple(PROFILES[name] for name in dict.fromkeys(map(str, names)) if name in PROFILES)


def names_of(field: str, chosen: Sequence[str]) -> str:
    """The variable of a setting, and what the chosen profiles call it, for messages."""
    others = [alias.shown for name in chosen for alias in PROFILES[name].aliases if alias.setting == field]
    return ", or ".join([variable(field), *dict.fromkeys(others)])
