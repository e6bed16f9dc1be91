"""The end of a connection on which the client still sends."""

from __future__ import annotations

import asyncio
import contextlib

#: Seconds for which the bytes that the client still sends are thrown away.
LINGER_S = 2.0


class LingeringClose:
    """For a protocol whose last message a client should be able to read.

    A socket that is closed with bytes unread is reset, and the client may never see what was written last. So our half
    is closed first. Bytes that still arrive are thrown away unread, until the client closes too, or for LINGER_S
    seconds.
    """

    transport: asyncio.Transport
    is_lingering = False
    _closing_at: asyncio.TimerHandle | None = None

    def close_lingering(self) -> None:
        """Close the connection; nothing can be written any more."""
        if self.is_lingering or self.transport.is_closing():
            return
        self.is_lingering = True
        with contextlib.suppress(OSError):  # the client has gone just now
            self.transport.write_eof()
        self.transport.resume_reading()
        self._closing_at = asyncio.get_running_loop().call_later(LINGER_S, self.transport.close)

    def data_received(self, data: bytes) -> None:
        if not self.is_lingering:
            super().data_received(data)  # type: ignore[misc] # this class stands in front of a protocol

    def shutdown(self) -> None:
        if self.is_lingering:
            self.transport.close()
        else:
            super().shutdown()  # type: ignore[misc] # as above

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closing_at is not None:
            self._closing_at.cancel()
        super().connection_lost(exc)  # type: ignore[misc] # as above
