"""Clients that send requests and do not read the answers: unsent bytes are bounded in size and in time."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

#: Close at once and drop unsent bytes. Otherwise the kernel keeps them, and tries to send them for minutes.
_FORGET = struct.pack("ii", 1, 0)


class WriteTimeoutMixin:
    """For a protocol whose transport is full: the client is given up when it reads next to nothing for too long.

    The transport calls `pause_writing` when more than 64 KiB wait, and `resume_writing` once most of it
    is gone. Writers wait in between, so that no more than that is kept for a client.
    """

    transport: asyncio.Transport
    unread_timeout = 60.0
    _giving_up: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc] # this class stands in front of a protocol
        self._giving_up = asyncio.get_running_loop().call_later(self.unread_timeout, self._give_up)

    def resume_writing(self) -> None:
        self._go_on()
        super().resume_writing()  # type: ignore[misc] # as above

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)  # type: ignore[misc] # as above

    def _go_on(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        one: Any = self.transport.get_extra_info("socket")
        if one is not None:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET)
        self.transport.abort()
