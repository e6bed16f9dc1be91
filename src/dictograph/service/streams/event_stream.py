"""A job's events as a stream: first the stored events, then live events, without a gap, to the job's end."""

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

#: While a job waits, its position in the queue is read at this interval (s), and sent when it has changed.
QUEUE_INTERVAL_S = 2.0
#: After this time without an event (s) None is yielded, as a heartbeat for the client.
QUIET_S = 15.0

#: The number of events in one read. They stay in memory until a slow client reads them: a window's words are 10 KiB.
_PAGE = 10


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """An event for a client. `seq` is None for an event that is not stored; a client cannot resume after it."""

    seq: int | None
    type: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Replaces events that are no longer stored: the job as it was after the event `seq`."""

    seq: int
    job: Job


StreamItem = StreamEvent | Snapshot | None


class EventStreams:
    """Opens streams. Each reads the log at its client's pace: a slow client holds one page in memory, not more.

    Streams that read the same page at the same time share one query.
    """

    def __init__(
        self, database: Database, tail: Tail, queue_estimates: QueueEstimates, stopping: asyncio.Event
    ) -> None:
        self._database = database
        self._tail = tail
        self._queue_estimates = queue_estimates
        self._stopping = ShutdownSignal(stopping)
        self._pages = SingleFlight(self._page)

    @property
    def stopping(self) -> bool:
        """Return whether streams end because the service stops, and not because the job has ended."""
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
        """Yield the job's events after `after`, until the job has ended, is deleted, or the service stops.

        None is a heartbeat. `queue` gives a waiting job's position, and `deleted` that the job was removed.
        """
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            stream = _Stream(self, watch, owner, job_id, after)
            try:
                async for item in stream.run():
                    yield item
            except NotFound:
                yield StreamEvent(None, "deleted", {})

    async def read(self, owner: str | None, job_id: str, after: int) -> tuple[Job, list[Event]]:
        """Return the job and some of its events, from one transaction. Raises NotFound."""
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
        return await self._queue_estimates.of(job)


class _Stream:
    """One client's stream of one job's log."""

    def __init__(self, streams: EventStreams, watch: JobWatch, owner: str | None, job_id: str, after: int) -> None:
        self._streams = streams
        self._watch = watch
        self._owner, self._job_id = owner, job_id
        self._seq = after
        self._place = QueueEstimate()
        self._quiet = 0.0
        self._result = WaitResult.QUIET

    async def run(self) -> AsyncGenerator[StreamItem, None]:
        while True:
            job, events = await self._streams.read(self._owner, self._job_id, self._seq)
            for item in self._stored(job, events):
                yield item
            if self._seq < job.last_seq:
                continue
            self._seq = job.last_seq  # the client resumed after an event that does not exist
            if job.status.ended:
                return
            async for item in self._until_change(job):
                yield item
            if self._result is WaitResult.STOPPING:
                return

    async def _until_change(self, job: Job) -> AsyncGenerator[StreamItem, None]:
        """Wait for a change of the job. Meanwhile yield its position in the queue when that has changed, and
        heartbeats."""
        self._result = WaitResult.QUIET
        while self._result is WaitResult.QUIET:
            if place := await self._new_place(job):
                yield place
            self._result = await self._watch.wait(self._seq, self._patience(job))
            if self._result is WaitResult.QUIET and self._is_long_quiet(job):
                yield None

    def _stored(self, job: Job, events: list[Event]) -> list[StreamItem]:
        """Return the events that were read, with a snapshot in place of missing events before them."""
        items: list[StreamItem] = []
        first = events[0].seq if events else job.last_seq + 1
        if first > self._seq + 1:
            items.append(Snapshot(first - 1, job))
            self._seq = first - 1
        items += [StreamEvent(event.seq, event.type, _with_eta(event, job)) for event in events]
        if items:
            self._quiet = 0.0
        self._seq = events[-1].seq if events else self._seq
        return items

    async def _new_place(self, job: Job) -> StreamEvent | None:
        if job.status is not JobStatus.PENDING:
            return None
        place = await self._streams.queue_estimate(job)
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
