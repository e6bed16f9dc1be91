"""What can be asked of a job, and done to it."""

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

from dictograph.blobs.objects import Blobs
from dictograph.errors import DictographError, InvalidRequest, NotFound
from dictograph.job import Job, JobStatus
from dictograph.service.auth.quota import check_quota
from dictograph.service.streams.job_watch import JobWatch, ShutdownSignal, WaitResult, watching
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.read import Page, get_job, list_jobs
from dictograph.store.tail import Tail
from dictograph.store.texts import texts

log = logging.getLogger(__name__)

#: Waits are begun anew after so long without news (s).
_LONG_S = 3600.0

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Listing:
    """Which jobs to list, newest first. Times are aware; no statuses means all of them."""

    statuses: Sequence[JobStatus] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: str | None = None
    limit: int = 50
    dead: bool = False


class Jobs:
    """The jobs of an owner. Owner None is the operator, who sees and may do everything.

    All methods raise DatabaseUnavailable; those that name a job raise NotFound when it is not
    there, or somebody else's.
    """

    def __init__(
        self, database: Database, blobs: Blobs, tail: Tail, stopping: asyncio.Event, max_pending: int = 0
    ) -> None:
        """`max_pending` jobs of one owner may wait and run at once; 0: any number."""
        self._database = database
        self._max_pending = max_pending
        self._blobs = blobs
        self._tail = tail
        self._stopping = ShutdownSignal(stopping)

    async def get(self, owner: str | None, job_id: str) -> Job:
        check_id(job_id)
        return await self._database.read(lambda conn: get_job(conn, owner, job_id))

    async def page(self, owner: str | None, listing: Listing) -> Page:
        """A page of jobs.

        Raises:
            InvalidRequest: the cursor is not one of this list, or a time is out of range.
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
            JobStateConflict: it is neither.
            TooManyRequests: its owner has as many that wait or run as it may.
        """
        check_id(job_id)

        def again(conn: Connection) -> Job:
            seen = get_job(conn, owner, job_id)
            if owner is not None and seen.status.ended:
                check_quota(conn, owner, self._max_pending)
            return control.retry(conn, owner, job_id)

        return await self._database.write(again)

    async def remove(self, owner: str | None, job_id: str) -> None:
        """Remove a job with its audio, transcript and events, in whatever state it is."""
        check_id(job_id)
        job = await self._database.write(lambda conn: control.remove(conn, owner, job_id))
        if job.audio is None:
            return
        try:
            await self._blobs.delete(job.audio.name)
        except (OSError, DictographError):
            # The row is gone, so the job is; the sweeper tries again with what no row names.
            log.warning("the audio of job %s could not be removed yet", job.id, exc_info=True)

    async def wait_until_ended(self, owner: str | None, job_id: str, seconds: float) -> Job:
        """The job once it has ended, or as it is when the time is up or the service stops."""
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
        """Wait for news of a job, for as long as the context lasts; it need not be there yet."""
        return watching(self._tail, self._stopping, check_id(job_id))

    async def changes(self, owner: str | None, job_id: str) -> AsyncGenerator[Job, None]:
        """The job as it is, and again whenever something has happened to it, until it has ended or the service stops.

        What happens meanwhile is told together: a slow taker misses steps, and never the end.
        """
        async with watching(self._tail, self._stopping, check_id(job_id)) as watch:
            while True:
                job = await self.get(owner, job_id)
                yield job
                if job.status.ended:
                    return
                while (news := await watch.wait(job.last_seq, _LONG_S)) is WaitResult.QUIET:
                    pass
                if news is WaitResult.STOPPING:
                    return

    async def texts(self, jobs: Sequence[Job]) -> dict[str, str | None]:
        """The texts of these jobs, by id; None while there is none."""
        return await self._database.read(lambda conn: texts(conn, [job.id for job in jobs]))


def check_id(job_id: str) -> str:
    """A string that could be a job's id; one that cannot names no job. Raises NotFound."""
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
