"""Commit what is done: often in the background, and before partitions are another's, at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from typing import Any

from dictograph.broker import Partition
from dictograph.kafka.connection import library
from dictograph.kafka.offsets import Ledger
from dictograph.runtime.crash import CrashPoints, Point

log = logging.getLogger(__name__)

#: The least seconds between two commits, and after which one without an answer is made again.
_INTERVAL_S, _LOST_S = 0.2, 10.0


class Commits:
    """The commits of one client. All calls come from the thread that polls."""

    def __init__(self, ledger: Ledger, crash: CrashPoints) -> None:
        self._ledger = ledger
        self._crash = crash
        self._begun: float | None = None
        self._next = 0.0

    def commit(self, client: Any) -> None:
        """Commit what is done in the background, unless a commit is under way or was just made."""
        now = time.monotonic()
        if now < self._next or (self._begun is not None and now - self._begun < _LOST_S):
            return
        if offsets := self._ledger.to_commit():
            self._crash.reach(Point.OFFSET_COMMITTING)
            self._begun, self._next = now, now + _INTERVAL_S
            try:
                client.commit(offsets=_client_offsets(offsets), asynchronous=True)
            except library().KafkaException as error:
                self._begun = None
                log.debug("offsets cannot be committed: %s", error)

    def acknowledged(self, error: Any, partitions: Collection[Any]) -> None:
        """Take the broker's word on a commit. One that failed is made again."""
        self._begun = None
        if error is not None:
            log.debug("offsets were not committed: %s", error)
            self._next = time.monotonic() + 1.0
            return
        self._record(partitions)

    def commit_now(self, client: Any, partitions: Collection[Partition]) -> None:
        """Commit what is done of partitions, and wait for it. An error is logged: the messages come again."""
        offsets = self._ledger.to_commit(partitions)
        if not offsets:
            return
        self._crash.reach(Point.OFFSET_COMMITTING)
        try:
            self._record(client.commit(offsets=_client_offsets(offsets), asynchronous=False))
        except library().KafkaException as error:
            log.warning("offsets could not be committed, so messages come again: %s", error)

    def _record(self, partitions: Collection[Any]) -> None:
        for one in partitions:
            if one.error is None and one.offset >= 0:
                self._ledger.committed(Partition(one.topic, one.partition), one.offset)


def _client_offsets(offsets: dict[Partition, int]) -> list[Any]:
    make = library().TopicPartition
    return [make(partition.topic, partition.number, offset) for partition, offset in offsets.items()]
