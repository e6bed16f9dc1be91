"""Queues on Redis for tests: each on a database of its own, as in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from dictograph.job import Job
from dictograph.parts.redis_parts import RedisParts
from dictograph.runtime.crash import CrashPoints
from dictograph.service.compat.backend_updates import tell_changes
from dictograph.settings.loading import load
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.worker.relays.relay import Relay
from tests.integration.store.store_driver import StoreDriver


class Process:
    """What a process of the service has of Redis, with a SQLite database unless `place` is that of another one."""

    def __init__(self, folder: Path, url: str, name: str = "one", place: str = "", **settings: Any) -> None:
        place = place or f"sqlite:///{folder / name}.db"
        upgrade(place)
        self.database = Database.open(place)
        self.driver = StoreDriver(self.database)
        self.settings = load({"queue_url": url, **settings}, {}, folder).settings
        tell_changes(self.settings, self.database)
        self.parts = RedisParts(self.settings, self.database, CrashPoints())
        self.queue = self.parts.queue

    async def send(self, job: Job, seq: int = 1) -> None:
        """As the relay does for the wake-up that follows an event of the job."""
        await self.queue.send(f"{job.id}:dispatch:{seq}", {"job_id": job.id})

    @asynccontextmanager
    async def relaying(self) -> AsyncIterator[None]:
        """With the agents of a process without a worker."""
        relay = Relay(self.database, self.parts.wake_ups(), CrashPoints(), 0.1)
        tasks = [asyncio.create_task(agent.run()) for agent in (*self.parts.agents(), relay)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes

    async def close(self) -> None:
        await self.queue.close()
        await self.parts.close()
        await self.database.close()


def messages(client: Any, queue: str = "audio_processing") -> list[dict[str, Any]]:
    """Celery's messages in a queue, the oldest first."""
    return [json.loads(item) for item in reversed(client.lrange(queue, 0, -1))]


def arguments(message: dict[str, Any]) -> list[Any]:
    """The arguments of a message's task."""
    given: list[Any] = json.loads(base64.b64decode(message["body"]))[0]
    return given


def ids(client: Any, queue: str = "audio_processing") -> list[str]:
    return [message["headers"]["id"] for message in messages(client, queue)]


async def until(query: Callable[[], Any], seconds: float = 60, what: str = "") -> None:
    """Wait until the answer is true; fails after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not query():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what or query}"
        await asyncio.sleep(0.02)
