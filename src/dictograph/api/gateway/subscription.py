"""A request that a client has joined. The client is told when it starts, at intervals, and when it has ended."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any, Protocol

from dictograph.api.gateway import messages
from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.job import Job, JobStatus
from dictograph.service.services import Services
from dictograph.service.streams.job_watch import JobWatch, WaitResult

log = logging.getLogger(__name__)

#: Interval at which a client that has joined gets the service's status (s); it may rely on 30 s.
STATUS_EVERY_S = 20.0

#: Time to the next try while the database cannot be reached (s).
_AGAIN_S = 2.0


class Subscriber(Protocol):
    """The client that has joined."""

    services: Services

    async def say(self, message: dict[str, Any]) -> None: ...

    async def say_end(self, job: Job) -> None: ...

    async def status(self, job: Job | None = None, *, starting: bool = False) -> dict[str, Any]: ...

    async def find(self, request_id: str, /) -> Job | None: ...


class Subscription:
    """Follows a request to its end. If it does not exist, it may still come: then the subscription waits for it."""

    def __init__(self, listener: Subscriber, request_id: str, job: Job | None) -> None:
        self._listener = listener
        self._id = request_id
        self._job = job
        self._has_started = messages.running(job) is not None
        self._due = _now() + STATUS_EVERY_S
        self._is_behind = False

    async def run(self) -> None:
        """Send every message of the request. Return after the last one, or when the service stops."""
        async with self._listener.services.jobs.watching(self._id) as watch:
            while True:
                try:
                    if await self._turn(watch):
                        return
                except (DatabaseUnavailable, StorageFull) as error:
                    log.warning("a client who has joined %s waits: %s", self._id, error)
                    await asyncio.sleep(_AGAIN_S)

    async def _turn(self, watch: JobWatch) -> bool:
        """Wait for a change and report it. Return whether that was the last message."""
        match await self._news(watch):
            case WaitResult.STOPPING:
                return True
            case WaitResult.QUIET:
                await self._tell_status()
            case WaitResult.GONE:
                return await self._tell_deleted()
            case WaitResult.CHANGED:
                self._is_behind = True
                is_over = await self._look()
                self._is_behind = False
                return is_over
        return False

    async def _news(self, watch: JobWatch) -> WaitResult:
        if self._is_behind:  # the last check was cut short
            return WaitResult.CHANGED
        left = max(self._due - _now(), 0.0)
        if self._job is None:
            return await watch.wait_until_there(left)
        return await watch.wait(self._job.last_seq, left)

    async def _look(self) -> bool:
        """Check what has changed. Return whether the request has ended, or does not belong to this contract."""
        job = await self._listener.find(self._id)
        if job is None:
            return True if self._job is None else await self._tell_deleted()
        self._job = job
        had_started, self._has_started = self._has_started, job.status is not JobStatus.PENDING and bool(job.started_at)
        if self._has_started and not had_started:
            await self._tell_status(starting=True)  # also for a request that was too quick to be seen running
        if job.status.ended:
            await self._listener.status(job)  # so that the next status has no older figures
            await self._listener.say_end(job)
        return job.status.ended

    async def _tell_deleted(self) -> bool:
        await self._listener.say(messages.failed(self._id, messages.DELETED, datetime.now(UTC)))
        return True

    async def _tell_status(self, *, starting: bool = False) -> None:
        self._due = _now() + STATUS_EVERY_S
        status = await self._listener.status(self._job, starting=starting)
        await self._listener.say(messages.status_update(status))


def _now() -> float:
    return asyncio.get_running_loop().time()
