"""A client's WebSocket: nothing that it sends goes unheard, and it can make us keep only so much."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from dictograph.api.ending import Ending
from dictograph.api.unread import Unread

#: So much may wait to be sent to a client when it asks for another pong, in bytes.
_MOST_UNSENT = 256 * 1024

#: So much may come before the answer to the handshake has gone out, in bytes.
_MOST_EARLY = 64 * 1024

#: So many messages may wait to be looked at: one read from the network brings no more, unless somebody floods us.
_MOST_WAITING = 4096

#: A close frame has no more bytes.
_CLOSE_FRAME = 2 + 4 + 125

_NORMAL = 1000
_ABNORMAL = 1006


class Socket(Unread, WebSocketsSansIOProtocol):
    """A WebSocket whose client may say its piece, and hang up at once, and still gets its answer.

    What comes before the handshake is answered waits for that. A close frame, or the end of what the client sends,
    waits until the application asks for the next message: then it has answered all those before.
    """

    def __init__(self, *args: Any, unread_timeout: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self.unread_timeout = unread_timeout
        self._ending = Ending()
        self._early = bytearray()
        self._close = bytearray()
        self._is_closing = False
        self._at_end = False
        self._listening = False

    def data_received(self, data: bytes) -> None:
        if not self.handshake_initiated:
            super().data_received(data)
        elif not self.handshake_complete:
            self._early += data
            if len(self._early) > _MOST_EARLY:
                self.transport.abort()
        elif not self.transport.is_closing():
            self._take(data)

    def eof_received(self) -> bool:  # type: ignore[override] # True: what is still to be sent can be sent
        self._at_end = True
        self._end_if_idle()
        return True

    async def receive(self) -> Any:
        if self.queue.empty():
            self._end()
        self._listening = True
        try:
            return await super().receive()
        finally:
            self._listening = False

    async def send(self, message: Any) -> None:
        if self.close_sent and message["type"] == "websocket.send":
            raise ClientDisconnected  # we have given the connection up since, say for pings without an answer
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # a refusal is an answer: uvicorn takes it for none, and says so in the log
        if self._early and self.handshake_complete:
            early, self._early = bytes(self._early), bytearray()
            if not self.close_sent and not self.transport.is_closing():
                self._take(early)

    def handle_ping(self) -> None:
        if self.transport.get_write_buffer_size() > _MOST_UNSENT:
            self.transport.abort()
        else:
            super().handle_ping()

    def _take(self, data: bytes) -> None:
        before, last = (b"", data) if self._is_closing else self._ending.divide(data)
        if before:
            super().data_received(before)
        if self.queue.qsize() > _MOST_WAITING:
            self.transport.abort()
        elif last:
            self._is_closing = True
            self._close += last[: _CLOSE_FRAME - len(self._close)]
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        # Once we have closed there is nobody left who asks for messages, and the client's reply ends the handshake.
        if self.close_sent or (self._listening and self.queue.empty()):
            self._end()

    def _end(self) -> None:
        """Everything is answered: what was put off can be done."""
        if self._close and not self.transport.is_closing():
            close, self._close = bytes(self._close), bytearray()
            super().data_received(close)
        if self._at_end and not self.transport.is_closing():
            self._say_goodbye()

    def _say_goodbye(self) -> None:
        """The client has hung up without a close frame, and may still listen."""
        if self.conn.state is State.OPEN:
            self.conn.send_close(_NORMAL)
            self.transport.write(b"".join(self.conn.data_to_send()))
        self.queue.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL})
        self.transport.close()
