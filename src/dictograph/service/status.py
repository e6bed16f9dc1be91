"""How the service does: ready or not and why, what waits, what runs, and who works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dictograph.blobs import Blobs
from dictograph.errors import DictographError
from dictograph.job import JobStatus
from dictograph.service.tally import Tally
from dictograph.store.database import Database
from dictograph.store.workers import GONE_AFTER_S, WorkerState, living


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether inference has been proved to work, else the reason; and the models, as
    `engine.catalog.Catalog.describe` gives them."""

    ready: bool
    reason: str = ""
    models: Sequence[Mapping[str, Any]] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Status:
    """Figures of the service. `uptime` is this process's, in seconds."""

    uptime: float
    readiness: Readiness
    counts: Mapping[JobStatus, int]
    workers: Sequence[WorkerState]


class StatusBoard:
    """Answers how the service does; `readiness` is asked each time."""

    def __init__(self, database: Database, blobs: Blobs, readiness: Callable[[], Readiness]) -> None:
        self._database = database
        self._blobs = blobs
        self._readiness = readiness
        self._tally = Tally(database)
        self._started = time.monotonic()

    async def readiness(self) -> Readiness:
        """Whether inference has been proved to work, and there is room for uploads."""
        said = self._readiness()
        if said.ready:
            try:
                await self._blobs.check_room()
            except DictographError as error:
                return replace(said, ready=False, reason=error.message)
        return said

    async def status(self, owner: str | None) -> Status:
        """Figures of the service, with the counts of the owner's jobs (None: everybody's)."""
        numbers = await self._tally.counts(owner)
        workers = await self._database.read(lambda conn: living(conn, GONE_AFTER_S))
        return Status(time.monotonic() - self._started, await self.readiness(), numbers, workers)
