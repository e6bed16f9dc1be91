"""Messages that were received and are not handed over yet: so many at most, and so many bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from dictograph.broker import Incoming, Partition

#: The most messages, and the bytes of their values with which it is full.
MOST, _MOST_BYTES = 500, 8 * 2**20


class Buffer:
    """Keeps messages in their order. While it has room, nothing has to be paused: a pause throws away what the client
    has fetched ahead."""

    def __init__(self) -> None:
        self._messages: deque[Incoming] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def full(self) -> bool:
        return len(self._messages) >= MOST or self._bytes >= _MOST_BYTES

    def add(self, message: Incoming) -> None:
        self._messages.append(message)
        self._bytes += _size(message)

    def take(self, most: int) -> list[Incoming]:
        """Remove the first messages, at most so many, and return them."""
        taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        self._bytes -= sum(map(_size, taken))
        return taken

    def forget(self, partitions: Collection[Partition]) -> None:
        """Remove the messages of partitions: they come again, to whoever has them then."""
        kept = [one for one in self._messages if Partition(one.topic, one.partition) not in partitions]
        self._messages, self._bytes = deque(kept), sum(map(_size, kept))


def _size(message: Incoming) -> int:
    return len(message.value or b"")
