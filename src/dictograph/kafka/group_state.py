"""What a consumer's statistics say: whether the group is joined, and what waits in its partitions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dictograph.broker import Partition
from dictograph.kafka.offsets import Ledger


class GroupState:
    """The state as last told, read by any thread. `trouble` is an error that came in place of messages."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.joined = False
        self.trouble: str | None = None
        self._ends: dict[Partition, int] = {}
        self._committed: dict[Partition, int] = {}

    def failed(self, reason: str) -> None:
        """Take the reason why no messages come."""
        self.trouble = reason

    def told(self, statistics: Mapping[str, Any]) -> None:
        """Take the client's statistics."""
        self.joined = statistics.get("cgrp", {}).get("join_state") == "steady"
        found = {
            Partition(topic, partition["partition"]): partition
            for topic, told in statistics.get("topics", {}).items()
            for partition in told["partitions"].values()
        }
        self._ends = {one: told["hi_offset"] for one, told in found.items()}
        self._committed = {one: told["committed_offset"] for one, told in found.items()}
        if self.joined and self._ledger.partitions:
            self.trouble = None

    def lag(self) -> dict[Partition, int]:
        """Return the number of messages that nobody has handled yet, for each assigned partition whose end is known."""
        return {one: max(0, end - self._from(one)) for one in self._ledger.partitions if (end := self._end(one)) >= 0}

    def _end(self, partition: Partition) -> int:
        return self._ends.get(partition, -1)

    def _from(self, partition: Partition) -> int:
        position = self._ledger.position(partition)
        return max(0, self._committed.get(partition, 0)) if position is None else position
