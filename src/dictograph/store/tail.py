"""The tail of the event log: one reader per process for any number of subscribers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.runtime.outage_log import OutageLog
from dictograph.store import events
from dictograph.store.database import Database

log = logging.getLogger(__name__)


class _Followed:
    """The state of a job that has followers."""

    __slots__ = ("followers", "gone", "last_seq", "waiters")

    def __init__(self) -> None:
        self.followers = 0
        self.last_seq = 0
        self.gone = False
        self.waiters: set[asyncio.Future[None]] = set()

    def update(self, last_seq: int | None) -> None:
        gone = last_seq is None
        if gone != self.gone or (last_seq or 0) > self.last_seq:
            self.gone, self.last_seq = gone, max(self.last_seq, last_seq or 0)
            self.wake()

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Follower:
    """A subscriber of a job's events."""

    def __init__(self, tail: Tail, followed: _Followed) -> None:
        self._tail = tail
        self._followed = followed

    async def wait(self, after_seq: int) -> int | None:
        """Wait for an event after `after_seq`; returns the number of the last one, None when the job is gone.

        Raises DatabaseUnavailable when the tail has stopped.
        """
        while not self.has_news(after_seq):
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            with self.waking(waiter):
                await waiter
        return None if self._followed.gone else self._followed.last_seq

    def has_news(self, after_seq: int) -> bool:
        """Return whether there is an event after `after_seq`, or the job is gone.

        Raises DatabaseUnavailable when neither is true and the tail has stopped.
        """
        followed = self._followed
        if followed.gone or followed.last_seq > after_seq:
            return True
        self._tail.check()
        return False

    @property
    def gone(self) -> bool:
        """Return whether the job no longer exists."""
        return self._followed.gone

    @contextmanager
    def waking(self, waiter: asyncio.Future[None]) -> Iterator[None]:
        """Set the result of `waiter` at the next change of the job, while the context lasts."""
        waiters = self._followed.waiters
        waiters.add(waiter)
        try:
            yield
        finally:
            waiters.discard(waiter)
            self._followed.waiters.discard(waiter)


class Tail:
    """Watches the jobs that are followed: after every commit of this process, and every
    `poll_interval` seconds if another process has committed."""

    def __init__(self, database: Database, poll_interval: float = 0.25) -> None:
        self._database = database
        self._interval = poll_interval
        self._jobs: dict[str, _Followed] = {}
        self._changed_jobs: set[str] | None = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ended: str | None = None
        self._outages = OutageLog(log, "tail")
        database.on_jobs(self._mark_changed)

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="tail")

    async def stop(self) -> None:
        """Stop watching; callers that wait get DatabaseUnavailable."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def check(self) -> None:
        """Raise DatabaseUnavailable when the tail has stopped."""
        if self._ended is not None:
            raise DatabaseUnavailable(self._ended)

    @asynccontextmanager
    async def follow(self, job_id: str) -> AsyncIterator[Follower]:
        """Follow a job while the context lasts."""
        followed = self._jobs.setdefault(job_id, _Followed())
        followed.followers += 1
        if followed.followers == 1:
            self._mark_changed(frozenset({job_id}))  # its state is not known yet
        try:
            yield Follower(self, followed)
        finally:
            followed.followers -= 1
            if not followed.followers:
                self._jobs.pop(job_id, None)

    async def _run(self) -> None:
        ended = "The event log is no longer watched: this process is stopping."
        try:
            while True:
                await self._poll()
        except Exception:
            ended = "The event log cannot be watched any more; the log of the service says why."
            log.exception("the tail of the event log has died")
            raise
        finally:
            self._ended = ended
            for followed in self._jobs.values():
                followed.wake()

    async def _poll(self) -> None:
        try:
            if await self._wait_for_change():
                await self._read_changes()
                self._outages.recovered()
        except (DatabaseUnavailable, StorageFull) as error:
            self._outages.failed(error)
            await asyncio.sleep(self._interval)
            self._mark_changed(None)  # the next poll reads all jobs: changes may have been missed

    def _mark_changed(self, jobs: frozenset[str] | None) -> None:
        """Mark jobs whose state must be read again; None: all."""
        if jobs is None or self._changed_jobs is None:
            self._changed_jobs = None
        else:
            self._changed_jobs |= jobs & self._jobs.keys()
        if self._changed_jobs is None or self._changed_jobs:
            self._wake.set()

    async def _wait_for_change(self) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._interval):
                await self._wake.wait()
        woken = self._wake.is_set()
        self._wake.clear()
        if not self._jobs:
            return False
        if not woken and await self._database.changed():
            self._changed_jobs = None
            return True
        return woken

    async def _read_changes(self) -> None:
        changed, self._changed_jobs = self._changed_jobs, set()
        jobs = {id: one for id, one in self._jobs.items() if changed is None or id in changed}
        seqs = await self._database.read(lambda conn: events.last_seqs(conn, list(jobs)))
        for job_id, followed in jobs.items():
            followed.update(seqs.get(job_id))
