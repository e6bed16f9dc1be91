"""What a Redis says of itself: its version, whether it takes writes, what it forgets, how long a list is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dictograph.redis.connection import library

#: What a server says that removes nothing by itself when its memory is full.
KEEPS_ALL = "noeviction"


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of a server. `version` and `policy` are empty, and `max_memory` (bytes) is 0, where this user may not
    ask for them. `length` is the number of items in the lists that were asked for. `trouble` says in words why nothing
    can be written; "" when something can."""

    version: str = ""
    policy: str = ""
    max_memory: int = 0
    length: int = 0
    trouble: str = ""

    @property
    def forgets(self) -> bool:
        """Return whether it removes keys by itself when its memory is full."""
        return bool(self.max_memory) and self.policy not in ("", KEEPS_ALL)


def state_of(client: Any, lists: Sequence[str] = ()) -> ServerState:
    """Ask a server for its state. Raises the client's errors."""
    about = _about(client)
    length = 0
    for name in lists:
        length += int(client.llen(name))
    return ServerState(
        str(about.get("redis_version", "")),
        str(about.get("maxmemory_policy", "")),
        int(about.get("maxmemory", 0)),
        length,
        _trouble(about),
    )


def _about(client: Any) -> Mapping[str, Any]:
    """Return what INFO says; nothing where this user may not ask."""
    try:
        about: Mapping[str, Any] = client.info()
    except library().exceptions.NoPermissionError:
        client.ping()
        return {}
    return about


def _trouble(about: Mapping[str, Any]) -> str:
    if about.get("role") == "slave" and int(about.get("slave_read_only", 1)):
        return "it is a replica that takes no writes"
    most, used = int(about.get("maxmemory", 0)), int(about.get("used_memory", 0))
    if most and used > most and about.get("maxmemory_policy") == KEEPS_ALL:
        return f"it is out of memory ({used} of {most} bytes are used)"
    return ""
