"""Where a WebSocket's client begins to close, found in its bytes before anybody acts on them."""

from __future__ import annotations

_CLOSE = 0x8
_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_MASK_BYTES = 4
#: Bytes of a length that does not fit into the head's second byte.
_MORE_LENGTH = {126: 2, 127: 8}


class Ending:
    """Follows a client's frames (RFC 6455, section 5.2) and divides its bytes at the first that closes."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0

    def divide(self, data: bytes) -> tuple[bytes, bytes]:
        """What comes before the close frame, and what comes from there on; that is empty while there is none."""
        at = 0
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left, at = self._left - step, at + step
            elif not self._head and data[at] & _OPCODE == _CLOSE:
                return data[:at], data[at:]
            else:
                self._head.append(data[at])
                at += 1
                self._end_of_head()
        return data, b""

    def _end_of_head(self) -> None:
        if len(self._head) < 2:
            return
        length = self._head[1] & _LENGTH
        size = 2 + _MORE_LENGTH.get(length, 0)
        if len(self._head) < size:
            return
        if size > 2:
            length = int.from_bytes(self._head[2:size], "big")
        self._left = length + (_MASK_BYTES if self._head[1] & _MASKED else 0)
        self._head.clear()
