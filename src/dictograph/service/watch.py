"""Waiting for news of a job: until something happened, time is up, the job is gone, or the service stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum

from dictograph.store.tail import Follower, Tail


class News(Enum):
    """What ended a wait."""

    CHANGED = "changed"
    GONE = "gone"
    QUIET = "quiet"
    STOPPING = "stopping"


class Watch:
    """Follows one job's log."""

    def __init__(self, follower: Follower, stopping: asyncio.Event) -> None:
        self._follower = follower
        self._stopping = stopping

    async def wait(self, after: int, seconds: float) -> News:
        """Wait at most so long for an event after `after`."""
        if self._stopping.is_set():
            return News.STOPPING
        heard = asyncio.ensure_future(self._follower.wait(after))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({heard, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                return News.STOPPING
            if not heard.done():
                return News.QUIET
            return News.GONE if heard.result() is None else News.CHANGED
        finally:
            await _ended(heard, stopping)


@asynccontextmanager
async def watching(tail: Tail, stopping: asyncio.Event, job_id: str) -> AsyncIterator[Watch]:
    """Watch a job for as long as the context lasts; `stopping` ends all waits."""
    async with tail.follow(job_id) as follower:
        yield Watch(follower, stopping)


async def _ended(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
