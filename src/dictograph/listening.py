"""Which addresses a process listens on, and what it serves on each.

By custom the gateway's WebSocket, at the second address of its contract, belongs to whichever process runs jobs: old
health checks take it for the worker. So an API alone leaves it, and a worker alone takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from dictograph.contract import Address, Contract
from dictograph.settings.model import Settings


class Served(Enum):
    """What is served at an address: all contracts, the gateway's WebSocket alone, or a worker's probes and metrics."""

    CONTRACTS = auto()
    GATEWAY_SOCKET = auto()
    PROBES = auto()


@dataclass(frozen=True, slots=True)
class Listener:
    """An address of this process. `has_socket`: clients of the gateway look for the WebSocket here."""

    address: Address
    served: Served
    has_socket: bool = False


def listeners(settings: Settings, *, api: bool, worker: bool) -> list[Listener]:
    """Return the addresses of a process, those of the contracts first."""
    named = [Address.parse(one) for one in settings.listen]
    ours = [one for one in named if one.first is Contract.GATEWAY]
    socket = (ours or named)[:2][-1]
    left = socket if len(ours) > 1 and not worker else None
    found: list[Listener] = []
    if api:
        found = [Listener(one, Served.CONTRACTS, one == socket) for one in named if one != left]
    elif len(ours) > 1:
        found = [Listener(socket, Served.GATEWAY_SOCKET, has_socket=True)]
    return [*found, *_probes(settings, found)] if worker else found


def _probes(settings: Settings, taken: Sequence[Listener]) -> list[Listener]:
    """Return the worker's own addresses. An address of the contracts answers probes as well, and stays theirs."""
    theirs = {_port(one.address) for one in taken} - {"0"}
    own = [Address(one) for one in settings.worker_listen]
    return [Listener(one, Served.PROBES) for one in own if _port(one) not in theirs]


def _port(address: Address) -> str:
    return address.authority.rpartition(":")[2]
