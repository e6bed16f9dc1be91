"""Read jobs, wait for them, and change them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from dictograph.blobs.protocol import Blobs
from dictograph.errors import DictographError, InvalidRequest, NotFound, ResultOwed
from dictograph.job import Job, JobStatus
from dictograph.service.auth.quota import check_queue, check_quota
from dictograph.service.streams.job_watch import JobWatch, ShutdownSignal, WaitResult, watching
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.read import Page, get_job, list_jobs
from dictograph.store.tail import Tail
from dictograph.store.texts import texts

log = logging.getLogger(__name__)

#: A wait that sees no change for this time (s) is begun again.
_LONG_S = 3600.0

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Listing:
    """The filter of a list of jobs, newest first. Times carry a time zone; no statuses means all of them."""

    statuses: Sequence[JobStatus] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: str | None = None
    limit: int = 50
    dead: bool = False


class Jobs:
    """The jobs of an owner. Owner None is the operator, who may see and change all jobs.

    All methods raise DatabaseUnavailable. Methods that take a job's id raise NotFound when there is no such job, or
    when it has another owner.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        tail: Tail,
        stopping: asyncio.Event,
        max_pending: int = 0,
        max_queued: int = 0,
    ) -> None:
        """Keep the parts. `max_pending` jobs of one owner may wait and run at once, and `max_queued` of all owners
        together may wait; 0: any number."""
        self._database = database
        self._max_pending = max_pending
        self._max_queued = max_queued
        self._blobs = blobs
        self._tail = tail
        self._stopping = ShutdownSignal(stopping)

    async def get(self, owner: str | None, job_id: str) -> Job:
        check_id(job_id)
        return await self._database.read(lambda conn: get_job(conn, owner, job_id))

    async def page(self, owner: str | None, listing: Listing) -> Page:
        """Return a page of jobs.

        Raises:
            InvalidRequest: the cursor belongs to another list, or a time is out of range.
        """
        after, before = _in_utc(listing.created_after), _in_utc(listing.created_before)
        return await self._database.read(
            lambda conn: list_jobs(
                conn, owner, listing.statuses, after, before, listing.cursor, listing.limit, listing.dead
            )
        )

    async def cancel(self, owner: str | None, job_id: str) -> Job:
        """Stop a job. Raises JobStateConflict when it has ended already."""
        check_id(job_id)
        return await self._database.write(lambda conn: control.cancel(conn, owner, job_id))

    async def retry(self, owner: str | None, job_id: str) -> Job:
        """Run a failed or cancelled job again, from its last committed window.

        Raises:
            JobStateConflict: the job is neither failed nor cancelled.
            TooManyRequests: the owner's jobs that wait or run have reached the limit.
            QueueFull: the jobs of all owners that wait have. An operator is not held to either.
        """
        check_id(job_id)

        def again(conn: Connection) -> Job:
            seen = get_job(conn, owner, job_id)
            if owner is not None and seen.status.ended:
                check_quota(conn, owner, self._max_pending)
                check_queue(conn, self._max_queued)
            return control.retry(conn, owner, job_id)

        return await self._database.write(again)

    async def remove(self, owner: str | None, job_id: str, *, force: bool = False) -> None:
        """Remove a job with its audio, transcript and events, in any state.

        Raises:
            ResultOwed: a result of the job has not gone out yet. With `force` it never does.
        """
        check_id(job_id)
        try:
            job = await self._database.write(lambda conn: control.remove(conn, owner, job_id))
        except ResultOwed:
            if not force:
                raise
            log.warning("job %s is deleted although it owes its sender a result: nobody gets one", job_id)
            job = await self._database.write(lambda conn: control.remove(conn, owner, job_id, force=True))
        if job.audio is None:
            return
        try:
            await self._blobs.delete(job.audio.name)
        except (OSError, DictographError):
            # The row is removed, and so is the job. The pruner tries again: it removes objects that no row names.
            log.warning("the audio of job %s could not be removed yet", job.id, exc_info=True)

    async def wait_until_ended(self, owner: str | None, job_id: str, seconds: float) -> Job:
        """Return the job when it has ended, or its state when the time is up or the service stops."""
        deadline = time.monotonic() + seconds
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            while True:
                job = await self.get(owner, job_id)
                left = deadline - time.monotonic()
                if job.status.ended or left <= 0:
                    return job
                if await watch.wait(job.last_seq, left) is WaitResult.STOPPING:
                    return job

    def watching(self, job_id: str) -> AbstractAsyncContextManager[JobWatch]:
        """Watch a job for changes while the context lasts. The job need not exist yet."""
        return watching(self._tail, self._stopping, check_id(job_id))

    async def changes(self, owner: str | None, job_id: str) -> AsyncGenerator[Job, None]:
        """Yield the job now and after each change, until it has ended or the service stops.

        Changes between two reads are given as one: a slow reader misses steps, but never the end.
        """
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            while True:
                job = await self.get(owner, job_id)
                yield job
                if job.status.ended:
                    return
                while (result := await watch.wait(job.last_seq, _LONG_S)) is WaitResult.QUIET:
                    pass
                if result is WaitResult.STOPPING:
                    return

    async def texts(self, jobs: Sequence[Job]) -> dict[str, str | None]:
        """Return the texts of these jobs, by id; None while a job has no text."""
        return await self._database.read(lambda conn: texts(conn, [job.id for job in jobs]))


def check_id(job_id: str) -> str:
    """Return the string if it has the form of a job's id. Raises NotFound if not."""
    if not _ID.fullmatch(job_id):
        raise NotFound("There is no such job.")
    return job_id


def _in_utc(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequest("A time of the request is out of range.") from error
