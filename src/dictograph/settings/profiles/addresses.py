"""Where profiles listen: their own addresses, what variables make of them, and a platform's port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dictograph.settings.layers import COMMAND_LINE, Layer, Sources
from dictograph.settings.profiles.lookup import Found, find_one
from dictograph.settings.profiles.table import PORT, Profile
from dictograph.settings.values import comma_list

_EVERYWHERE = "0.0.0.0"


def addresses(profiles: Sequence[Profile], found: Sequence[Found]) -> Layer:
    """The addresses of these profiles, with what variables say of them. Raises SettingsError."""
    given = {one.alias.name: one for one in found if one.alias.setting == "listen"}
    listen = [
        f"{profile.name}@{_piece(given, one.host_name, one.host)}:{_piece(given, one.port_name, one.port)}"
        for profile in profiles
        for one in profile.listeners
    ]
    origin = ", ".join(one.origin for one in given.values()) or f"profile {', '.join(one.name for one in profiles)}"
    return Layer.of(origin, {"listen": list(dict.fromkeys(listen))}) if listen else Layer()


def with_port(below: Layer, profiles: Sequence[Profile], sources: Sources) -> Layer:
    """The addresses of `below` and that of `PORT`, which adds to them wherever they come from but the command line.

    Developers' machines have a `PORT` too, so it counts only for a service that is meant for others: with a profile,
    or told to be insecure.
    """
    found = find_one(PORT, sources, {})
    origin = below.origins.get("listen", "default")
    if found is None or origin == COMMAND_LINE or not (profiles or _is_true(below.values.get("insecure"))):
        return Layer()
    listen = comma_list(below.values.get("listen", "127.0.0.1:8000"))
    if not isinstance(listen, list):
        return Layer()  # whoever checks the setting says what is wrong with it
    return Layer.of(f"{origin}, and {found.origin}", {"listen": _added(listen, str(found.value()), profiles)})


def _added(listen: Sequence[Any], number: str, profiles: Sequence[Profile]) -> list[str]:
    """With the port on all addresses, in the place of one that already has it."""
    kept = [str(one) for one in listen]
    same = [one for one in kept if one.rpartition(":")[2] == number and number != "0"]
    owner = same[0].rpartition("@")[0] if same else profiles[0].name if len(profiles) == 1 else ""
    added = f"{owner}@{_EVERYWHERE}:{number}" if owner else f"{_EVERYWHERE}:{number}"
    return list(dict.fromkeys([*(added if one in same else one for one in kept), added]))


def _piece(given: Mapping[str, Found], name: str, default: object) -> object:
    return given[name].value() if name in given else default


def _is_true(value: object) -> bool:
    return str(value).lower() in ("1", "true", "yes", "on", "t", "y")
