"""Where a job stands in the queue, and how long it will still take: computed when asked, never stored."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from math import ceil

from sqlalchemy import Connection

from dictograph.job import Job, JobStatus
from dictograph.store.database import Database
from dictograph.store.read import counts, list_jobs, queue_position

_FRESH_S = 1.0
_PACE_FRESH_S = 10.0
_PACE_JOBS = 20
_MOST = 4096


@dataclass(frozen=True, slots=True)
class Outlook:
    """`position` is 1 for the next job, None when it does not wait. `eta` is seconds to its end, None
    when nothing has been measured to tell it from."""

    position: int | None = None
    eta: float | None = None


@dataclass(frozen=True, slots=True)
class _Pace:
    """What the last completed jobs took on average (s), and how many run at once."""

    seconds: float | None
    lanes: int

    def eta(self, position: int) -> float | None:
        return None if self.seconds is None else round(ceil(position / self.lanes) * self.seconds, 1)


class Outlooks:
    """Answers about many jobs, each at most a second old, so that any number of askers cost little."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, tuple[float, Outlook]] = {}
        self._pace: tuple[float, _Pace] | None = None

    async def of(self, job: Job) -> Outlook:
        return (await self.of_all([job]))[job.id]

    async def of_all(self, jobs: Iterable[Job]) -> Mapping[str, Outlook]:
        """The outlook of each job, by its id."""
        answers = {job.id: _of_running(job) for job in jobs}
        waiting = [job.id for job in jobs if job.status is JobStatus.PENDING]
        return answers | (await self._of_waiting(waiting) if waiting else {})

    async def _of_waiting(self, ids: list[str]) -> dict[str, Outlook]:
        now = time.monotonic()
        stale = [id for id in ids if id not in self._known or now - self._known[id][0] > _FRESH_S]
        if stale:
            if len(self._known) > _MOST:
                self._known = {id: known for id, known in self._known.items() if now - known[0] <= _FRESH_S}
            positions = await self._database.read(partial(_positions, ids=stale))
            pace = await self._current_pace()
            for id, position in positions.items():
                eta = pace.eta(position) if position else None
                self._known[id] = (now, Outlook(position, eta))
        return {id: self._known[id][1] for id in ids}

    async def _current_pace(self) -> _Pace:
        now = time.monotonic()
        if self._pace is None or now - self._pace[0] > _PACE_FRESH_S:
            self._pace = (now, await self._database.read(_measure))
        return self._pace[1]


def eta_seconds(done: float, duration: float | None, started: datetime | None, at: datetime) -> float | None:
    """Seconds to the end of the audio at the speed so far, as it was known at the time `at`."""
    elapsed = (at - started).total_seconds() if started else 0.0
    if not duration or done <= 0 or elapsed <= 0:
        return None
    return round(max(duration - done, 0.0) * elapsed / done, 1)


def _of_running(job: Job) -> Outlook:
    if job.status is not JobStatus.PROCESSING:
        return Outlook()
    return Outlook(eta=eta_seconds(job.seconds_done, job.duration, job.started_at, datetime.now(UTC)))


def _positions(conn: Connection, ids: list[str]) -> dict[str, int | None]:
    return {id: queue_position(conn, id) for id in ids}


def _measure(conn: Connection) -> _Pace:
    page = list_jobs(conn, None, statuses=[JobStatus.COMPLETED], limit=_PACE_JOBS)
    took = [job.processing_seconds for job in page.jobs if job.processing_seconds is not None]
    running = counts(conn)[JobStatus.PROCESSING]
    return _Pace(sum(took) / len(took) if took else None, max(running, 1))
