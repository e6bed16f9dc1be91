"""The HTTP server: several addresses in one process, with limits on what a connection may cost."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from dictograph.api.problems import problem
from dictograph.api.room import make_room
from dictograph.errors import DictographError, RequestError, ServerBusy, SettingsError

#: How long a client may take for a request's line and headers, from its connection on (s).
HEADERS_S = 20.0
#: How long requests may go on after the end was called for (s).
GRACE_S = 5

_MAX_HEADER_BYTES = 32 * 1024
_MAX_FRAME_BYTES = 4 * 1024
_UNSENT_MS = 120_000
_BACKLOG = 1024
# So many connections at most are taken before the first of them is looked at.
_TAKEN_TOGETHER = 128


async def serve(
    app: ASGIApp,
    addresses: Sequence[str],
    on_started: Callable[[list[str]], None],
    stop_event: asyncio.Event,
) -> None:
    """Serve `app` on all addresses (HOST:PORT; port 0 is any free one) until `stop_event` is set.

    `on_started` gets the addresses with their true ports once connections are taken. Streams end by
    the `stopping` event of the services, which should be the same one. No signal is touched.

    Raises:
        SettingsError: an address cannot be listened on; the message names it.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(listening_socket(address)) for address in addresses]
        server = _Server(_config(app, make_room()))
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


def listening_socket(address: str) -> socket.socket:
    """A socket bound to HOST:PORT."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Accepted sockets inherit it: a client that takes nothing of what it is sent for so long is
            # cut off by the kernel, whatever we are waiting for.
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNSENT_MS)
        one.bind((host, int(port)))
        one.listen(_BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        raise SettingsError(f"Cannot listen on {address}: {error.strerror or error}.") from error
    return one


class Connection(H11Protocol):
    """HTTP/1.1 that gives a client only so long for the head of each request ("slowloris"), takes no more
    connections than `most`, and has the one shape of errors for what is no HTTP at all.
    """

    def __init__(self, *args: Any, most: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._most = most
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._end(ServerBusy("There are more connections than this service has room for; try again shortly."))
        else:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        del msg
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._end(RequestError("The request is no HTTP/1.1 that can be understood."))
        else:
            self.transport.close()  # in the middle of an answer; there is no room for another

    def _end(self, error: DictographError) -> None:
        self.transport.write(_plain(problem(error, {"connection": "close"})))
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Between requests the time runs; within one it does not: bodies have a limit of their own."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADERS_S, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    """Uvicorn without its hold on the process's signals: those belong to whoever runs us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _plain(answer: Response) -> bytes:
    """An answer as it is written when there is no request that it would belong to."""
    line = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n".encode()
    head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
    return line + head + b"\r\n" + bytes(answer.body)


def _config(app: Any, connections: int) -> uvicorn.Config:
    protocol: Any = partial(Connection, most=connections)  # uvicorn calls it, but its types want a class
    return uvicorn.Config(
        app,
        http=protocol,
        backlog=min(_TAKEN_TOGETHER, max(1, connections // 4)),
        ws="websockets-sansio",
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
