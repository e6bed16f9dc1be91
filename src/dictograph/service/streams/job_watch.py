"""Wait for a change of a job: until it has changed, the time is up, the job was removed, or the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import Enum

from dictograph.store.tail import Follower, Tail


class WaitResult(Enum):
    """The reason why a wait ended."""

    CHANGED = "changed"
    GONE = "gone"
    QUIET = "quiet"
    STOPPING = "stopping"


class ShutdownSignal:
    """Wakes any number of waiters when the service stops. One task serves all of them."""

    def __init__(self, event: asyncio.Event) -> None:
        self._event = event
        self._waiters: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def is_set(self) -> bool:
        return self._event.is_set()

    @contextmanager
    def waking(self, waiter: asyncio.Future[None]) -> Iterator[None]:
        """Complete `waiter` when the service stops, while the context lasts."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._wake_all(), name="stopping")
        self._waiters.add(waiter)
        try:
            yield
        finally:
            self._waiters.discard(waiter)

    async def _wake_all(self) -> None:
        await self._event.wait()
        for waiter in self._waiters:
            _wake(waiter)


class JobWatch:
    """Follows one job's log."""

    def __init__(self, follower: Follower, stopping: ShutdownSignal) -> None:
        self._follower = follower
        self._stopping = stopping

    async def wait(self, after: int, seconds: float) -> WaitResult:
        """Wait at most `seconds` for an event after `after`.

        Thousands may wait at once: each wait costs a future and a timer, no task.
        """
        return await self._wait(lambda: self._follower.has_news(after), seconds)

    async def wait_until_there(self, seconds: float) -> WaitResult:
        """Wait at most `seconds` until a job exists that does not exist yet."""
        return await self._wait(lambda: self._follower.has_news(0) and not self._follower.gone, seconds)

    async def _wait(self, has_come: Callable[[], bool], seconds: float) -> WaitResult:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not self._stopping.is_set():
            if has_come():
                return WaitResult.GONE if self._follower.gone else WaitResult.CHANGED
            if loop.time() >= deadline:
                return WaitResult.QUIET
            waiter: asyncio.Future[None] = loop.create_future()
            timer = loop.call_at(deadline, _wake, waiter)
            try:
                with self._follower.waking(waiter), self._stopping.waking(waiter):
                    await waiter
            finally:
                timer.cancel()
        return WaitResult.STOPPING


@asynccontextmanager
async def watching(tail: Tail, stopping: ShutdownSignal, job_id: str) -> AsyncIterator[JobWatch]:
    """Watch a job while the context lasts; `stopping` ends all waits."""
    async with tail.follow(job_id) as follower:
        yield JobWatch(follower, stopping)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
