"""How the service does: ready or not and why, what waits, what runs, and who works."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dictograph.blobs.objects import Blobs
from dictograph.errors import DictographError
from dictograph.job import JobStatus
from dictograph.service.job_counts import JobCounter
from dictograph.service.live_workers import LiveWorker, live_workers
from dictograph.store.database import Database
from dictograph.store.jobs.read import unsupported_count
from dictograph.store.workers import GONE_AFTER_S, WorkerState, list_alive, supported_needs

#: A database that does not answer for so long (s) is not there, for those who ask whether we are ready.
PATIENCE_S = 5.0
SILENT = f"The database has not answered for {PATIENCE_S:.0f} s."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether inference has been proved to work, else the reason; and the models and warnings, as
    `engine.catalog.Catalog.describe` and `warnings` give them."""

    ready: bool
    reason: str = ""
    models: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """Figures of the service. `uptime` is this process's, in seconds; `unsupported` is the number of jobs that wait
    since no worker supports what they ask."""

    uptime: float
    readiness: Readiness
    counts: Mapping[JobStatus, int]
    workers: Sequence[WorkerState]
    unsupported: int = 0


class StatusService:
    """Answers how the service does; `readiness` is asked each time."""

    def __init__(self, database: Database, blobs: Blobs, readiness: Callable[[], Readiness]) -> None:
        self._database = database
        self._blobs = blobs
        self._readiness = readiness
        self._tally = JobCounter(database)
        self._started = time.monotonic()

    def models(self) -> Sequence[Mapping[str, Any]]:
        """The models that can be asked for, as far as it is known without waiting."""
        return self._readiness().models

    async def readiness(self) -> Readiness:
        """Whether inference has been proved to work, there is room for uploads, and the database answers."""
        said = self._readiness()
        if said.ready and (trouble := await self._trouble()):
            return replace(said, ready=False, reason=trouble)
        return said

    async def _trouble(self) -> str:
        try:
            await self._blobs.check_room()
            async with asyncio.timeout(PATIENCE_S):
                await self._database.check()
        except TimeoutError:
            return SILENT
        except DictographError as error:
            return error.message
        return ""

    async def workers(self, owner: str | None) -> list[LiveWorker]:
        """The workers that live, with the owner's jobs (None: everybody's) that they are at."""
        return await self._database.read(lambda conn: live_workers(conn, owner))

    async def status(self, owner: str | None) -> Status:
        """Figures of the service, with the counts of the owner's jobs (None: everybody's)."""
        numbers = await self._tally.counts(owner)
        workers = await self._database.read(lambda conn: list_alive(conn, GONE_AFTER_S))
        needs = supported_needs(workers)
        unsupported = await self._database.read(lambda conn: unsupported_count(conn, owner, needs))
        return Status(time.monotonic() - self._started, await self.readiness(), numbers, workers, unsupported)
