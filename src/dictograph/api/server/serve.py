"""The HTTP server: several addresses in one process, with limits on the resources of a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from dictograph.api.server.connection import Connection, ConnectionLimits
from dictograph.api.server.fd_limit import raise_fd_limit
from dictograph.api.server.read_turns import ReadTurns
from dictograph.api.server.websocket import Socket
from dictograph.errors import SettingsError

#: Seconds for which requests may go on after a stop was requested.
GRACE_S = 5

_MAX_HEADER_BYTES = 32 * 1024
_MAX_FRAME_BYTES = 4 * 1024
_UNSENT_MS = 120_000
_UNSENT_BYTES = 128 * 1024
_BACKLOG = 1024
# The most connections that are accepted before the first of them is handled.
_TAKEN_TOGETHER = 128

_OTHER_ADDRESS = "Name another port with --port, or another address with --listen or DICTOGRAPH_LISTEN."


async def serve(
    app: ASGIApp | Sequence[ASGIApp],
    addresses: Sequence[str | socket.socket],
    on_started: Callable[[list[str]], None],
    stop_event: asyncio.Event,
    limits: ConnectionLimits | None = None,
) -> None:
    """Serve `app` on all addresses until `stop_event` is set. An address is HOST:PORT, where port 0 is any free port,
    or a `listening_socket`, which is closed at the end. A sequence of applications has one for each address.

    `on_started` gets the addresses with their true ports, once connections are accepted. Streams end by
    the `stopping` event of the services, which should be the same event. No signal handler is changed.

    Raises:
        SettingsError: the server cannot listen on an address; the message names it.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_taken(address)) for address in addresses]
        apps = _by_port(app, sockets)
        server = _Server(_config(apps, replace(limits or ConnectionLimits(), most=raise_fd_limit())))
        running = asyncio.ensure_future(server.serve(sockets))
        stopping = asyncio.ensure_future(stop_event.wait())
        try:
            await _until_started(server, running)
            on_started([_name(one) for one in sockets])
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            server.should_exit = True
            await running


def _by_port(app: ASGIApp | Sequence[ASGIApp], sockets: Sequence[socket.socket]) -> ASGIApp:
    if not isinstance(app, Sequence):
        return app
    apps = {one.getsockname()[1]: served for one, served in zip(sockets, app, strict=True)}

    async def by_port(scope: Scope, receive: Receive, send: Send) -> None:
        await apps[scope["server"][1]](scope, receive, send)

    return by_port


def _taken(address: str | socket.socket) -> socket.socket:
    return listening_socket(address) if isinstance(address, str) else address


def listening_socket(address: str, advice: str = _OTHER_ADDRESS) -> socket.socket:
    """Return a socket that listens on HOST:PORT. Raises SettingsError, with `advice` on what to do."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where the protocol is named. With it, an answer's body waits for the
    # client to acknowledge its head, which clients put off for 40 ms.
    one = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets inherit it. The kernel cuts off a client that takes nothing of what it is sent for this
            # time, whatever we are waiting for.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MS)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # They inherit this, too: the kernel keeps no megabytes of unsent data for a client that does not read.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        one.bind((host, int(port)))
        one.listen(_BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        raise SettingsError(f"Cannot listen on {address}: {error.strerror or error}. {advice}") from error
    return one


class _Server(uvicorn.Server):
    """Uvicorn without its handlers of the process's signals: the signals belong to the program that runs us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: Any, limits: ConnectionLimits) -> uvicorn.Config:
    turns = ReadTurns()
    http: Any = partial(Connection, limits=limits, turns=turns)  # uvicorn calls it, but its types want a class
    sockets: Any = partial(Socket, unread_timeout=limits.unread_timeout, turns=turns)
    return uvicorn.Config(
        app,
        http=http,
        backlog=min(_TAKEN_TOGETHER, max(1, limits.most // 4)),
        ws=sockets,
        ws_per_message_deflate=False,  # 40 KiB for each subscriber, to make small frames a little smaller
        ws_max_size=_MAX_FRAME_BYTES,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
        timeout_graceful_shutdown=GRACE_S,
    )


async def _until_started(server: uvicorn.Server, running: asyncio.Future[None]) -> None:
    while not server.started and not running.done():
        await asyncio.sleep(0.005)


def _name(one: socket.socket) -> str:
    host, port = one.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
