"""How the service does: ready or not and why, what waits, what runs, and who works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dictograph.job import JobStatus
from dictograph.store.database import Database
from dictograph.store.read import counts
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

    def __init__(self, database: Database, readiness: Callable[[], Readiness]) -> None:
        self._database = database
        self._readiness = readiness
        self._started = time.monotonic()

    def readiness(self) -> Readiness:
        return self._readiness()

    async def status(self, owner: str | None) -> Status:
        """Figures of the service, with the counts of the owner's jobs (None: everybody's)."""

        def question(conn: Connection) -> tuple[dict[JobStatus, int], list[WorkerState]]:
            return counts(conn, owner), living(conn, GONE_AFTER_S)

        numbers, workers = await self._database.read(question)
        return Status(time.monotonic() - self._started, self.readiness(), numbers, workers)
