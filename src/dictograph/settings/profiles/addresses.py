"""Where profiles listen: their own addresses, what variables make of them, and a platform's port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dictograph.settings.layers import COMMAND_LINE, Layer, Sources, merged
from dictograph.settings.profiles.lookup import Found, find_one
from dictograph.settings.profiles.table import PORT, Listener, Profile
from dictograph.settings.values import comma_list

_EVERYWHERE = "0.0.0.0"


def addresses(profiles: Sequence[Profile], found: Sequence[Found]) -> Layer:
    """The addresses of these profiles and of their workers, with what variables say of them. Raises SettingsError."""
    of_workers = [(profile, profile.worker_listeners) for profile in profiles]
    of_contracts = [(profile, profile.listeners) for profile in profiles]
    return merged([_addresses("listen", of_contracts, found), _addresses("worker_listen", of_workers, found)])


def _addresses(setting: str, listeners: Sequence[tuple[Profile, Sequence[Listener]]], found: Sequence[Found]) -> Layer:
    given = {one.alias.name: one for one in found if one.alias.setting == setting}
    origin = ", ".join(one.origin for one in given.values())
    named = [
        f"{_owner(setting, profile)}{_piece(given, one.host_name, one.host)}:{_piece(given, one.port_name, one.port)}"
        for profile, some in listeners
        for one in some
    ]
    origin = origin or f"profile {', '.join(profile.name for profile, some in listeners if some)}"
    return Layer.of(origin, {setting: list(dict.fromkeys(named))}) if named else Layer()


def _owner(setting: str, profile: Profile) -> str:
    """The contract of an address, before it; probes belong to none."""
    return f"{profile.name}@" if setting == "listen" else ""


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
    number = str(found.value())
    own = comma_list(below.values.get("worker_listen", []))
    probed = [*own, f"{_EVERYWHERE}:{number}"] if isinstance(own, list) else []
    return Layer.of(
        f"{origin}, and {found.origin}",
        {"listen": _added(listen, number, profiles), "worker_listen": list(dict.fromkeys(probed))},
    )


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
