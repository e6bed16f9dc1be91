"""A client's WebSocket: every message is answered, and the memory that a client can use is bounded."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from dictograph.api.error_responses import AbsurdChunking
from dictograph.api.server.close_frame import CloseFrameSplitter, begins_with_close
from dictograph.api.server.lingering import LingeringClose
from dictograph.api.server.piece_meter import PieceMeter
from dictograph.api.server.read_turns import ReadTurns
from dictograph.api.server.slow_reader import WriteTimeoutMixin

#: The most bytes that may wait to be sent to a client when it sends another ping.
_MOST_UNSENT = 256 * 1024

#: While this many messages wait for the application, no more frames are read.
_MOST_WAITING = 64

#: The most frames, and the most bytes, that are read in one step: a frame costs 5 µs.
_FRAMES = 64
_SLICE = 16 * 1024

#: The most fragments of a message.
_MOST_FRAGMENTS = 1024

#: Frames as small as keepalives may come at this rate without end: 2,048 in a minute.
_AT_REST_S = 60.0

#: A close frame has no more bytes.
_CLOSE_FRAME = 2 + 4 + 125

#: A close frame's reason has no more bytes (RFC 6455, section 5.5).
_MOST_REASON = 123

_NORMAL = 1000
_POLICY_VIOLATION = 1008
_ABNORMAL = 1006


class Socket(LingeringClose, WriteTimeoutMixin, WebSocketsSansIOProtocol):
    """A WebSocket whose client may send a message, close at once, and still get its answer.

    Bytes that arrive before the handshake is answered wait for that. A close frame, or the end of the client's bytes,
    waits until the application asks for the next message: then it has answered all earlier messages.

    Frames are read in turns (see ReadTurns), a few at a time, and none while enough messages wait for the application.
    """

    def __init__(self, *args: Any, unread_timeout: float, turns: ReadTurns, **more: Any) -> None:
        super().__init__(*args, **more)
        self.unread_timeout = unread_timeout
        self._turns = turns
        self._has_turn = False
        self._meter = PieceMeter(_AT_REST_S)
        self._ending = CloseFrameSplitter()
        self._unread = bytearray()
        self._close = bytearray()
        self._is_closing = False
        self._at_end = False
        self._listening = False

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            super().data_received(data)
            return
        if self.is_lingering or self.transport.is_closing():
            return
        self._unread += data
        if self.handshake_complete:
            self._read()
        else:
            self.transport.pause_reading()

    def eof_received(self) -> bool:  # type: ignore[override] # True: bytes that wait can still be sent
        self._at_end = True
        self._end_if_idle()
        return not self.is_lingering

    async def receive(self) -> Any:
        if self.queue.empty() and not self._unread:
            self._end()
        self._listening = True
        try:
            return await super().receive()
        finally:
            self._listening = False
            self._go_on()

    async def send(self, message: Any) -> None:
        if self.close_sent and message["type"] == "websocket.send":
            raise ClientDisconnected  # we have closed the connection meanwhile, for example because pings got no answer
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # a refusal is an answer; uvicorn would log that there was none
        self._go_on()

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > _MOST_UNSENT:
            self.transport.abort()
        else:
            super().handle_ping()

    def _go_on(self) -> None:
        """Ask for a turn to read the rest, once more messages may wait. Until then the client waits."""
        if not self.handshake_complete or self.is_lingering or self.transport.is_closing():
            return
        if not self._unread:
            if not self.read_paused:
                self.transport.resume_reading()
            return
        self.transport.pause_reading()
        if not self._has_turn and (self.close_sent or self.queue.qsize() < _MOST_WAITING):
            self._has_turn = True
            self._turns.ask(self._take_turn)

    def _take_turn(self) -> None:
        self._has_turn = False
        if not (self.is_lingering or self.transport.is_closing()):
            self._read()

    def _read(self) -> None:
        """Read as many frames as one step allows, or the bytes from the close frame on."""
        try:
            if not self._is_closing:
                self._read_frames()
        except AbsurdChunking as error:
            self._refuse(f"{error.code}: {error.message}")
            return
        if self._is_closing:
            self._close += self._unread[: _CLOSE_FRAME - len(self._close)]
            self._unread.clear()
        self._end_if_idle()
        self._go_on()

    def _read_frames(self) -> None:
        """Give some frames to the parser, but no close frame. Raises AbsurdChunking."""
        frames, rest = self._ending.divide(bytes(self._unread[:_SLICE]), _FRAMES)
        del self._unread[: len(frames)]
        for size in self._ending.sizes:
            self._meter.add(size)
        if frames:
            super().data_received(frames)
        if len(self.frames) > _MOST_FRAGMENTS:
            raise AbsurdChunking(f"A message has more than {_MOST_FRAGMENTS} fragments.")
        self._is_closing = begins_with_close(rest)

    def _refuse(self, reason: str) -> None:
        if self.transport.is_closing():
            return
        self._unread.clear()
        self.conn.fail(_POLICY_VIOLATION, reason.encode()[:_MOST_REASON].decode())
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _POLICY_VIOLATION})
        self.close_lingering()

    def _end_if_idle(self) -> None:
        # Once we have closed, the application asks for no more messages, and the client's reply ends the handshake.
        if self.close_sent or (self._listening and self.queue.empty() and not self._unread):
            self._end()

    def _end(self) -> None:
        """Handle the close frame or the end that was put off: every message is answered."""
        if self._close and not self.transport.is_closing():
            close, self._close = bytes(self._close), bytearray()
            super().data_received(close)
        if self._at_end and not self.transport.is_closing():
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """Close a connection whose client ended without a close frame. It may still read."""
        if self.conn.state is State.OPEN:
            self.conn.send_close(_NORMAL)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL})
        self.transport.close()
