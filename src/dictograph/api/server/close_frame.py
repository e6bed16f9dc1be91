"""The first close frame of a WebSocket's client, found in its bytes before they are parsed."""

from __future__ import annotations

_CLOSE = 0x8
_OPCODE = 0x0F
_MASKED = 0x80
_LENGTH = 0x7F
_MASK_BYTES = 4
#: Bytes of a length that does not fit into the head's second byte.
_MORE_LENGTH = {126: 2, 127: 8}


class CloseFrameSplitter:
    """Follows a client's frames (RFC 6455, section 5.2) and divides its bytes at the first close frame."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._left = 0
        self._sizes: list[int] = []

    def divide(self, data: bytes, most: int | None = None) -> tuple[bytes, bytes]:
        """Return the bytes before the close frame, and the bytes from there on. The rest is empty if there is none.

        With `most`, the rest may also begin after this number of frames. `begins_with_close` tells which it is.
        """
        at, self._sizes = 0, []
        while at < len(data):
            if self._left:
                step = min(self._left, len(data) - at)
                self._left, at = self._left - step, at + step
            elif not self._head and (data[at] & _OPCODE == _CLOSE or len(self._sizes) == most):
                return data[:at], data[at:]
            else:
                self._head.append(data[at])
                at += 1
                self._end_of_head()
        return data, b""

    @property
    def sizes(self) -> list[int]:
        """Return the payloads' sizes, in bytes, of the frames whose heads ended in the latest bytes."""
        return self._sizes

    def _end_of_head(self) -> None:
        if len(self._head) < 2:
            return
        length = self._head[1] & _LENGTH
        size = 2 + _MORE_LENGTH.get(length, 0)
        if len(self._head) < size:
            return
        if size > 2:
            length = int.from_bytes(self._head[2:size], "big")
        self._sizes.append(length)
        self._left = length + (_MASK_BYTES if self._head[1] & _MASKED else 0)
        self._head.clear()


def begins_with_close(data: bytes) -> bool:
    """Tell whether the frame at the beginning of these bytes closes."""
    return bool(data) and data[0] & _OPCODE == _CLOSE
