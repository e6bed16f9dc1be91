"""A job's events as a stream: those that are stored, then live, without a gap and without an end before its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.service.jobs import check_id
from dictograph.service.queue_estimate import QueueEstimate, QueueEstimates, eta_seconds
from dictograph.service.single_flight import SingleFlight
from dictograph.service.streams.job_watch import JobWatch, ShutdownSignal, WaitResult, watching
from dictograph.store.database import Database
from dictograph.store.events import Event, read_events
from dictograph.store.jobs.read import get_job
from dictograph.store.tail import Tail

#: While a job waits its place in the queue is looked up so often (s), and told when it has changed.
QUEUE_INTERVAL_S = 2.0
#: After so long without anything, None is given, for a sign of life to the client (s).
QUIET_S = 15.0

#: So many events are read together. What a client does not take waits here: a window's words are 10 KiB.
_PAGE = 10


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event for a client. `seq` is None for what is not stored, and so not resumed after."""

    seq: int | None
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Stands in for events that are kept no longer: the job as it was after the event `seq`."""

    seq: int
    job: Job


StreamItem = StreamEvent | Snapshot | None


class EventStreams:
    """Opens streams. Each reads the log at its client's pace: a slow one holds a page of it, no more.

    Those who want the same page at the same time get it from one reading.
    """

    def __init__(
        self, database: Database, tail: Tail, queue_estimates: QueueEstimates, stopping: asyncio.Event
    ) -> None:
        self._database = database
        self._tail = tail
        self._outlooks = queue_estimates
        self._stopping = ShutdownSignal(stopping)
        self._pages = SingleFlight(self._page)

    @property
    def stopping(self) -> bool:
        """Whether streams end because the service stops, and not because nothing follows."""
        return self._stopping.is_set()

    async def start_of(self, owner: str | None, job_id: str, after: int) -> int | None:
        """Return the event after which a stream begins: at most the last one, so that what comes next is not missed.

        None: nothing comes, since the job has ended, and `after` was its last event.

        Raises:
            NotFound: there is no such job.
        """
        check_id(job_id)
        job = await self._database.read(lambda conn: get_job(conn, owner, job_id))
        return None if job.status.ended and after >= job.last_seq else min(after, job.last_seq)

    async def follow(self, owner: str | None, job_id: str, after: int = 0) -> AsyncGenerator[StreamItem, None]:
        """The job's events after `after`, until the job has ended, is deleted, or the service stops.

        None is a sign of life. `queue` tells of a waiting job's place, `deleted` that the job is gone.
        """
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            stream = _Stream(self, watch, owner, job_id, after)
            try:
                async for told in stream.run():
                    yield told
            except NotFound:
                yield StreamEvent(None, "deleted", {})

    async def read(self, owner: str | None, job_id: str, after: int) -> tuple[Job, list[Event]]:
        """The job and some of its events, of one moment. Raises NotFound."""
        job, events = await self._pages((job_id, after))
        if owner is not None and job.owner != owner:
            raise NotFound(f"There is no job {job_id}.")
        return job, events

    async def _page(self, which: tuple[str, int]) -> tuple[Job, list[Event]]:
        job_id, after = which

        def query(conn: Connection) -> tuple[Job, list[Event]]:
            return get_job(conn, None, job_id), read_events(conn, job_id, after, _PAGE)

        return await self._database.read(query)

    async def queue_estimate(self, job: Job) -> QueueEstimate:
        return await self._outlooks.of(job)


class _Stream:
    """One client's reading of one job's log."""

    def __init__(self, following: EventStreams, watch: JobWatch, owner: str | None, job_id: str, after: int) -> None:
        self._following = following
        self._watch = watch
        self._owner, self._job_id = owner, job_id
        self._seq = after
        self._place = QueueEstimate()
        self._quiet = 0.0
        self._news = WaitResult.QUIET

    async def run(self) -> AsyncGenerator[StreamItem, None]:
        while True:
            job, events = await self._following.read(self._owner, self._job_id, self._seq)
            for told in self._stored(job, events):
                yield told
            if self._seq < job.last_seq:
                continue
            self._seq = job.last_seq  # a client that resumes after an event that never was
            if job.status.ended:
                return
            async for told in self._until_news(job):
                yield told
            if self._news is WaitResult.STOPPING:
                return

    async def _until_news(self, job: Job) -> AsyncGenerator[StreamItem, None]:
        """While nothing happens: the place in the queue when it has changed, and signs of life."""
        self._news = WaitResult.QUIET
        while self._news is WaitResult.QUIET:
            if place := await self._new_place(job):
                yield place
            self._news = await self._watch.wait(self._seq, self._patience(job))
            if self._news is WaitResult.QUIET and self._is_long_quiet(job):
                yield None

    def _stored(self, job: Job, events: list[Event]) -> list[StreamItem]:
        """What was read, with a snapshot in place of what is missing before it."""
        told: list[StreamItem] = []
        first = events[0].seq if events else job.last_seq + 1
        if first > self._seq + 1:
            told.append(Snapshot(first - 1, job))
            self._seq = first - 1
        told += [StreamEvent(event.seq, event.type, _with_eta(event, job)) for event in events]
        if told:
            self._quiet = 0.0
        self._seq = events[-1].seq if events else self._seq
        return told

    async def _new_place(self, job: Job) -> StreamEvent | None:
        if job.status is not JobStatus.PENDING:
            return None
        place = await self._following.queue_estimate(job)
        if place == self._place or place.position is None:
            return None
        self._place, self._quiet = place, 0.0
        return StreamEvent(None, "queue", {"position": place.position, "eta": place.eta})

    def _patience(self, job: Job) -> float:
        return QUEUE_INTERVAL_S if job.status is JobStatus.PENDING else QUIET_S

    def _is_long_quiet(self, job: Job) -> bool:
        self._quiet += self._patience(job)
        if self._quiet < QUIET_S:
            return False
        self._quiet = 0.0
        return True


def _with_eta(event: Event, job: Job) -> dict[str, Any]:
    if event.type != "segments":
        return event.data
    done, duration = event.data.get("seconds_done") or 0.0, event.data.get("duration")
    eta = eta_seconds(done, duration, job.started_at, event.created_at)
    return event.data | {"eta": eta}
