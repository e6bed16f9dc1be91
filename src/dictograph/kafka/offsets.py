"""Which messages of a consumer are done, and so how far each partition may be committed."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection

from dictograph.broker import Partition


class _Offsets:
    """One partition: what was received and is not below the next commit, in order."""

    def __init__(self) -> None:
        self.order: deque[int] = deque()
        self.done: set[int] = set()
        self.uncounted: set[int] = set()
        self.last = -1
        self.next: int | None = None
        self.committed: int | None = None

    def receive(self, offset: int) -> None:
        self.order.append(offset)
        self.last = offset

    def finish(self, offset: int) -> bool:
        if not self.order or not self.order[0] <= offset <= self.last or offset in self.done:
            return False
        self.done.add(offset)
        self.uncounted.discard(offset)
        while self.order and self.order[0] in self.done:
            first = self.order.popleft()
            self.done.discard(first)
            self.next = first + 1
        return True

    def uncount(self, offset: int) -> None:
        if self.order and self.order[0] <= offset <= self.last and offset not in self.done:
            self.uncounted.add(offset)

    @property
    def unfinished(self) -> int:
        return len(self.order) - len(self.done)


class Ledger:
    """The assigned partitions. A message may be done by any thread."""

    def __init__(self) -> None:
        self._partitions: dict[Partition, _Offsets] = {}
        self._lock = threading.Lock()

    def __contains__(self, partition: Partition) -> bool:
        return partition in self._partitions

    @property
    def partitions(self) -> list[Partition]:
        """Return the partitions that were assigned and are not dropped."""
        with self._lock:
            return list(self._partitions)

    @property
    def unfinished(self) -> int:
        """Return the number of messages that were received and are not done."""
        with self._lock:
            return sum(one.unfinished for one in self._partitions.values())

    @property
    def counted(self) -> int:
        """Return the number of these that count: an acknowledgement alone is no work."""
        with self._lock:
            return sum(one.unfinished - len(one.uncounted) for one in self._partitions.values())

    def assign(self, partitions: Collection[Partition]) -> None:
        """Begin with partitions."""
        with self._lock:
            for partition in partitions:
                self._partitions[partition] = _Offsets()

    def drop(self, partitions: Collection[Partition]) -> None:
        """Forget partitions that are another consumer's now."""
        with self._lock:
            for partition in partitions:
                self._partitions.pop(partition, None)

    def receive(self, partition: Partition, offset: int) -> bool:
        """Record a message. False when the partition is not ours any more."""
        with self._lock:
            offsets = self._partitions.get(partition)
            if offsets is None:
                return False
            if offset <= offsets.last:  # the offsets were reset: what came before is another history
                offsets = self._partitions[partition] = _Offsets()
            offsets.receive(offset)
            return True

    def done(self, partition: Partition, offset: int) -> None:
        """Record that a message is done. One that is not ours, or was done before, changes nothing."""
        with self._lock:
            if (offsets := self._partitions.get(partition)) is not None:
                offsets.finish(offset)

    def uncount(self, partition: Partition, offset: int) -> None:
        """Record that a message waits for an acknowledgement alone."""
        with self._lock:
            if (offsets := self._partitions.get(partition)) is not None:
                offsets.uncount(offset)

    def to_commit(self, partitions: Collection[Partition] | None = None) -> dict[Partition, int]:
        """Return what may be committed and is not: by partition the highest contiguous done offset + 1."""
        with self._lock:
            return {
                partition: offsets.next
                for partition, offsets in self._partitions.items()
                if offsets.next is not None
                and offsets.next != offsets.committed
                and (partitions is None or partition in partitions)
            }

    def committed(self, partition: Partition, offset: int) -> None:
        """Record a commit that the broker has acknowledged."""
        with self._lock:
            if (offsets := self._partitions.get(partition)) is not None:
                offsets.committed = offset

    def position(self, partition: Partition) -> int | None:
        """Return the offset below which everything is done, or was before this consumer; None when none is known."""
        with self._lock:
            offsets = self._partitions.get(partition)
            if offsets is None:
                return None
            return offsets.order[0] if offsets.order else offsets.next
