"""A job's position in the queue and the time to its end: computed at each call, never stored."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from sqlalchemy import Connection

from dictograph.job import Job, JobStatus
from dictograph.service.single_flight import SingleFlight
from dictograph.store.database import Database
from dictograph.store.jobs.read import list_jobs, live_counts, queue_order, queue_position

_FRESH_S = 1.0
_PACE_FRESH_S = 10.0
_PACE_JOBS = 20
#: The most positions of the queue that are kept, from its head on.
_MOST = 16384
#: After a read of the queue that took t seconds, the next read is made no sooner than this times t.
_REST = 20.0


@dataclass(frozen=True, slots=True)
class QueueEstimate:
    """An estimate for one job. `position` is 1 for the next job, None when the job does not wait. `eta` is the number
    of seconds to its end, None while nothing has been measured."""

    position: int | None = None
    eta: float | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """The average time of the last completed jobs (s), and the number of jobs that run at once."""

    seconds: float | None
    running: int

    def eta(self, position: int) -> float | None:
        return None if self.seconds is None else round(ceil(position / self.running) * self.seconds, 1)


@dataclass(frozen=True, slots=True)
class _Order:
    """The positions of the waiting jobs at one time; valid until the (monotonic) time `until`."""

    places: Mapping[str, int]
    until: float


class QueueEstimates:
    """Estimates for many jobs. Each is a second or two old, so that any number of callers cost little.

    The order of the queue is read once for all callers. Only jobs that are new, or far back in a very long queue, are
    read one by one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._order = _Order({}, 0.0)
        self._pace: tuple[float, Pace] | None = None
        self._found: dict[str, tuple[float, int | None]] = {}
        self._ordering: SingleFlight[None, _Order] = SingleFlight(self._read_order)
        self._finding: SingleFlight[str, int | None] = SingleFlight(self._find)
        self._measuring: SingleFlight[None, Pace] = SingleFlight(self._measure)

    async def of(self, job: Job) -> QueueEstimate:
        return (await self.of_all([job]))[job.id]

    async def of_all(self, jobs: Iterable[Job]) -> Mapping[str, QueueEstimate]:
        """Return the estimate of each job, by its id."""
        return {
            job.id: await self._of_waiting(job) if job.status is JobStatus.PENDING else _of_running(job) for job in jobs
        }

    async def _of_waiting(self, job: Job) -> QueueEstimate:
        position = await self._position(job.id)
        return (
            QueueEstimate() if position is None else QueueEstimate(position, (await self._current_pace()).eta(position))
        )

    async def _position(self, job_id: str) -> int | None:
        order = self._order
        if time.monotonic() > order.until:
            order = await self._ordering(None)
        if (place := order.places.get(job_id)) is not None:
            return place
        known = self._found.get(job_id)
        if known is not None and time.monotonic() - known[0] <= _FRESH_S:
            return known[1]
        return await self._finding(job_id)

    async def _read_order(self, _: None) -> _Order:
        began = time.monotonic()
        ids = await self._database.read(lambda conn: queue_order(conn, _MOST))
        # A long queue too is read for only a small share of the time.
        until = began + max(_FRESH_S, _REST * (time.monotonic() - began))
        self._order = _Order({id: place for place, id in enumerate(ids, 1)}, until)
        return self._order

    async def _find(self, job_id: str) -> int | None:
        if len(self._found) >= _MOST:
            self._found.clear()
        position = await self._database.read(lambda conn: queue_position(conn, job_id))
        self._found[job_id] = (time.monotonic(), position)
        return position

    async def _current_pace(self) -> Pace:
        if self._pace is None or time.monotonic() - self._pace[0] > _PACE_FRESH_S:
            return await self._measuring(None)
        return self._pace[1]

    async def _measure(self, _: None) -> Pace:
        pace = await self._database.read(measured_pace)
        self._pace = (time.monotonic(), pace)
        return pace


def eta_seconds(done: float, duration: float | None, started: datetime | None, at: datetime) -> float | None:
    """Return the seconds to the end of the audio at the speed so far, as known at the time `at`."""
    elapsed = (at - started).total_seconds() if started else 0.0
    if not duration or done <= 0 or elapsed <= 0:
        return None
    return round(max(duration - done, 0.0) * elapsed / done, 1)


def _of_running(job: Job) -> QueueEstimate:
    if job.status is not JobStatus.PROCESSING:
        return QueueEstimate()
    return QueueEstimate(eta=eta_seconds(job.seconds_done, job.duration, job.started_at, datetime.now(UTC)))


def measured_pace(conn: Connection) -> Pace:
    """Return the pace of the jobs that were completed last."""
    page = list_jobs(conn, None, statuses=[JobStatus.COMPLETED], limit=_PACE_JOBS)
    took = [job.processing_seconds for job in page.jobs if job.processing_seconds is not None]
    running = live_counts(conn)[JobStatus.PROCESSING]
    return Pace(sum(took) / len(took) if took else None, max(running, 1))
