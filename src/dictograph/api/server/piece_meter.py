"""The size of the pieces in which a client sends. A small piece costs as much as a large one."""

from __future__ import annotations

import time

from dictograph.api.error_responses import AbsurdChunking

#: After this many pieces their mean size is checked.
PIECES = 2048

#: The least mean size, in bytes. 20 ms of speech at 8 kbit/s are 20 bytes.
LEAST_MEAN = 16


class PieceMeter:
    """Counts pieces of a body (chunks) or of a WebSocket session (frames).

    `at_rest`, in seconds: if PIECES pieces take this long or longer, they are harmless, however small they are. None:
    no time is long enough. A WebSocket session may last for days, and pings are small.
    """

    def __init__(self, at_rest: float | None = None) -> None:
        self._at_rest = at_rest
        self._pieces = 0
        self._bytes = 0
        self._since = time.monotonic()

    def add(self, size: int, ends: bool = True) -> None:
        """Count `size` bytes. `ends`: whether their piece ends with them. Raises AbsurdChunking."""
        self._bytes += size
        self._pieces += ends
        if self._pieces < PIECES:
            return
        mean, took = self._bytes / self._pieces, time.monotonic() - self._since
        self.begin()
        if mean < LEAST_MEAN and (self._at_rest is None or took < self._at_rest):
            raise AbsurdChunking(
                f"{PIECES} pieces in a row have {mean:.1f} bytes on the mean; send pieces of {LEAST_MEAN} bytes or "
                "more, best of some kilobytes."
            )

    def begin(self) -> None:
        """Begin to count anew, for another body."""
        self._pieces = self._bytes = 0
        self._since = time.monotonic()
