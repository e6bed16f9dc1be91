"""Where this contract is served: HTTP and the WebSocket at every address. By custom each has its own address."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request

from dictograph.contract import Address, Contract
from dictograph.settings.model import Settings

_ANYWHERE = frozenset({"0.0.0.0", "[::]", "::"})


def websocket_url(request: Request, settings: Settings) -> str:
    """Return the WebSocket's address for the client that sent this request.

    Of two addresses of this contract, the second is the WebSocket's. For a client that sent its request to another
    address, the WebSocket is at that address.
    """
    here = request.url.netloc
    http, socket = _pair([Address.parse(address) for address in settings.listen])
    served_at = (request.scope.get("server") or ("", None))[1]
    if http == socket or str(served_at) != _port(http) or _port(socket) == "0":
        return f"ws://{here}"
    host = _host(socket)
    if host in _ANYWHERE or host == _host(http):
        host = _host(here) if ":" in here.rpartition("]")[2] else here
    return f"ws://{host}:{_port(socket)}"


def _pair(addresses: Sequence[Address]) -> tuple[str, str]:
    """Return HOST:PORT for HTTP and for the WebSocket; empty when this contract has no address of its own."""
    ours = [one.authority for one in addresses if one.first is Contract.GATEWAY]
    return (ours[0], ours[:2][-1]) if ours else ("", "")


def _host(authority: str) -> str:
    return authority.rpartition(":")[0]


def _port(authority: str) -> str:
    return authority.rpartition(":")[2]
