"""A client's connection: HTTP/1.1 or a WebSocket, with limits on the resources it may use."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import h11
from starlette.responses import Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from dictograph.api.clients import client_of
from dictograph.api.error_responses import error_response
from dictograph.api.server.http_parser import StepwiseParser
from dictograph.api.server.lingering import LingeringClose
from dictograph.api.server.read_turns import ReadTurns
from dictograph.api.server.slow_reader import WriteTimeoutMixin
from dictograph.api.server.websocket import Socket
from dictograph.errors import DictographError, RequestError, ServerBusy


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The resources that connections may use.

    Args:
        headers_timeout: seconds that a client may take for a request's line and headers.
        per_client: connections that one address may have; 0: no limit but `most`.
        most: connections of all clients together.
        unread_timeout: seconds in which a client may read next to nothing of what it is sent.
    """

    headers_timeout: float = 20.0
    per_client: int = 0
    most: int = 4096
    unread_timeout: float = 60.0


class Connection(LingeringClose, WriteTimeoutMixin, H11Protocol):
    """HTTP/1.1 with a time limit on the head of each request ("slowloris") and a limit on the number of connections.
    Bytes that are no HTTP get an answer in the one shape of errors, too.

    Chunks are read in turns (see ReadTurns), a few at a time. So a client that sends many small chunks delays only
    itself.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, turns: ReadTurns, **more: Any) -> None:
        super().__init__(*args, **more)
        self.conn = self._parser = StepwiseParser(self.config.h11_max_incomplete_event_size or 0)
        self._turns = turns
        self._has_turn = False
        self._limits = limits
        self.unread_timeout = limits.unread_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._handed_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.most:
            self._end(ServerBusy("There are more connections than this service has room for; try again shortly."))
        elif self._limits.per_client and self._of_this_client() > self._limits.per_client:
            self._end(ServerBusy("There are too many connections from this address; close some and try again."))
        else:
            self._watch()

    def send_400_response(self, msg: str) -> None:
        del msg
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            error = self._parser.fault or RequestError("The request is no HTTP/1.1 that can be understood.")
            self.transport.write(_plain(error_response(error, {"connection": "close"})))
        # else an answer has begun, and no other can be written
        self._drop_request()
        self.close_lingering()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._unwatch()
        self._handed_over = True
        self.transport.resume_reading()  # a step may have stopped it
        super().handle_websocket_upgrade(event)
        socket = self.transport.get_protocol()
        if isinstance(socket, Socket) and not socket.handshake_initiated:
            # Its parser has stricter limits than ours, and sends no answer when they are exceeded.
            self._end(RequestError("The request for a WebSocket cannot be understood."))
        elif isinstance(socket, Socket) and (rest := self.conn.trailing_data[0]):
            socket.data_received(rest)  # bytes that came together with the request

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def handle_events(self) -> None:
        self._read(in_turn=False)

    def _read(self, *, in_turn: bool) -> None:
        """Read as much as one step allows. The rest waits for the next step, and the client waits meanwhile."""
        self._parser.begin_step(in_turn=in_turn)
        super().handle_events()
        if self._handed_over or self.transport.is_closing():
            return
        if self._parser.has_more:
            self.transport.pause_reading()
            self._ask_for_turn()
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def _ask_for_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self._turns.ask(self._take_turn)

    def _take_turn(self) -> None:
        self._has_turn = False
        if not (self._handed_over or self.is_lingering or self.transport.is_closing()):
            self._read(in_turn=True)
            self._watch()

    def _drop_request(self) -> None:
        """Tell the application that answers the request that its client has gone."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unwatch()
        super().connection_lost(exc)

    def _of_this_client(self) -> int:
        here = _client(self)
        return sum(_client(one) == here for one in self.connections)

    def _end(self, error: DictographError) -> None:
        self.transport.write(_plain(error_response(error, {"connection": "close"})))
        self.transport.close()

    def _watch(self) -> None:
        """Run the timer between requests, not within one: bodies have their own limit."""
        if self._handed_over:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._limits.headers_timeout, self.transport.close)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _client(connection: Any) -> str:
    return client_of(connection.client[0] if connection.client else "")


def _plain(answer: Response) -> bytes:
    """Return an answer's bytes, as they are written when no request belongs to it."""
    line = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n".encode()
    head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
    return line + head + b"\r\n" + bytes(answer.body)
