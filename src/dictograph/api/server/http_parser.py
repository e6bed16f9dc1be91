"""Reads a client's requests in steps of bounded cost."""

from __future__ import annotations

import re
from typing import Any

import h11

from dictograph.api.server.piece_meter import PieceMeter
from dictograph.errors import DictographError, RequestError

#: The most events that are read in one step: 5 µs each for the smallest chunks.
_EVENTS = 64

#: The number of bytes that h11 gets at a time. It checks the size of a head, or of the trailers behind a body, only
#: while their end has not come. A head that came whole could have any size.
_SLICE = 16 * 1024

#: The most lines of a head. Every line costs as much as 1 KiB of a body.
_MAX_LINES = 128

_END_OF_HEAD = re.compile(rb"\n\r?\n")


class StepwiseParser(h11.Connection):
    """h11's parser for a server. It takes bytes as they arrive, and reads only as many as a step allows.

    When the step's events are used up, `next_event` returns NEED_DATA, and `has_more` is true if bytes are left.
    `fault` is a fault of the request beyond HTTP's grammar; `next_event` then raises what h11 raises.
    """

    def __init__(self, max_head: int) -> None:
        super().__init__(h11.SERVER, max_head)
        self.has_more = False
        self.fault: DictographError | None = None
        self._waiting = bytearray()
        self._events_left = 0
        self._is_chunked = False
        self._is_pipelined = False
        self._chunks = PieceMeter()

    @property
    def trailing_data(self) -> tuple[bytes, bool]:
        """Return all bytes that were not read, and whether the client has ended."""
        data, ended = super().trailing_data
        return data + bytes(self._waiting), ended

    def receive_data(self, data: bytes) -> None:
        self._waiting += data

    def begin_step(self, *, in_turn: bool) -> None:
        """Allow another step. Chunks, trailers, and requests that came together with the one before, are read in turns
        (see ReadTurns): without `in_turn`, nothing of them is read."""
        self.has_more = False
        self._is_pipelined = self._is_pipelined and not in_turn
        self._events_left = 0 if (self._is_chunked or self._is_pipelined) and not in_turn else _EVENTS

    def start_next_cycle(self) -> None:
        super().start_next_cycle()
        if self._waiting or super().trailing_data[0]:
            self._is_pipelined = True
            self._events_left = 0

    def next_event(self) -> Any:
        if self._events_left <= 0:
            self.has_more = True
            return h11.NEED_DATA
        self._events_left -= 1
        event = self._read()
        try:
            self._look_at(event)
        except DictographError as error:
            self._refuse(error)
        return event

    def _read(self) -> Any:
        event = self._read_slice()
        while event is h11.NEED_DATA and self._waiting:
            super().receive_data(bytes(self._waiting[:_SLICE]))
            del self._waiting[:_SLICE]
            event = self._read_slice()
        return event

    def _read_slice(self) -> Any:
        if self.their_state is h11.IDLE:
            self._check_lines(super().trailing_data[0])
        return super().next_event()

    def _check_lines(self, data: bytes) -> None:
        end = _END_OF_HEAD.search(data)
        if data.count(b"\n", 0, end.start() if end else len(data)) > _MAX_LINES:
            self._refuse(RequestError(f"The request has more than {_MAX_LINES} headers."))

    def _look_at(self, event: Any) -> None:
        if isinstance(event, h11.Data) and self._is_chunked:
            self._chunks.add(len(event.data), event.chunk_end)
        elif isinstance(event, h11.Request):
            self._is_chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
            self._chunks.begin()
            if self._is_chunked:
                self._events_left = 0
        elif isinstance(event, h11.EndOfMessage):
            self._is_chunked = False

    def _refuse(self, error: DictographError) -> None:
        self.fault = error
        raise h11.RemoteProtocolError(error.message)
