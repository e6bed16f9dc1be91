"""The status of the service: ready or not and why, waiting and running jobs, and the workers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dictograph.blobs.protocol import Blobs
from dictograph.errors import DictographError
from dictograph.job import JobStatus
from dictograph.service.job_counts import JobCounter
from dictograph.service.live_workers import LiveWorker, live_workers
from dictograph.store.database import Database
from dictograph.store.jobs.read import oldest_wait, unsupported_count
from dictograph.store.workers import GONE_AFTER_S, WorkerState, list_alive, supported_needs

#: A database that does not answer within this time (s) makes the service not ready.
PATIENCE_S = 5.0
SILENT = f"The database has not answered for {PATIENCE_S:.0f} s."


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether inference has been proved to work, else the reason; and the models and warnings, as
    `models.catalog.Catalog.describe` and `warnings` give them."""

    ready: bool
    reason: str = ""
    models: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    warnings: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queue: its `kind` (database, kafka, redis); why its broker cannot be used, "" when it can or there is none;
    and how many of Celery's messages it holds, None where that is not known. Jobs wait in the database in any case."""

    kind: str = "database"
    trouble: str = ""
    messages: int | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Figures of the service. `uptime` is that of this process (s). `unsupported` is the number of jobs that wait
    because no worker supports their options, `oldest_wait` the longest time that a job has waited (s). `queue` is None
    for those who are no operators."""

    uptime: float
    readiness: Readiness
    counts: Mapping[JobStatus, int]
    workers: Sequence[WorkerState]
    unsupported: int = 0
    oldest_wait: float = 0.0
    queue: QueueState | None = None


class StatusService:
    """Gives the status of the service; `readiness` and `queue` are called each time."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        readiness: Callable[[], Readiness],
        queue: Callable[[], QueueState] = QueueState,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._readiness = readiness
        self._queue = queue
        self._job_counter = JobCounter(database)
        self._started = time.monotonic()

    def models(self) -> Sequence[Mapping[str, Any]]:
        """Return the models that can be requested, as far as they are known without waiting."""
        return self._readiness().models

    async def readiness(self) -> Readiness:
        """Return ready if inference has been proved to work, the disk has space for uploads, and the database
        answers."""
        readiness = self._readiness()
        if readiness.ready and (trouble := await self._trouble()):
            return replace(readiness, ready=False, reason=trouble)
        return readiness

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
        """Return the live workers, with the owner's jobs (None: all jobs) that they run."""
        return await self._database.read(lambda conn: live_workers(conn, owner))

    async def status(self, owner: str | None) -> Status:
        """Return the figures of the service, with the counts of the owner's jobs (None: of all jobs)."""
        numbers = await self._job_counter.counts(owner)
        workers = await self._database.read(lambda conn: list_alive(conn, GONE_AFTER_S))
        needs = supported_needs(workers)
        unsupported = await self._database.read(lambda conn: unsupported_count(conn, owner, needs))
        oldest = await self._database.read(lambda conn: oldest_wait(conn, owner))
        uptime = time.monotonic() - self._started
        return Status(uptime, await self.readiness(), numbers, workers, unsupported, oldest, self._queue())
