"""Changes of the backend's jobs on a channel of Redis: what its WebSocket sends, in order, at most once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from dictograph.contract import Contract
from dictograph.job import Lease
from dictograph.service.compat.backend_updates import tell_changes, update_frame
from dictograph.store.jobs import finish
from dictograph.store.tables import outbox
from tests.integration.redis.parts import Process, until
from tests.redis import RedisServer


class Subscriber:
    """Whoever listens to a channel, with a plain client."""

    def __init__(self, server: RedisServer, channel: str) -> None:
        self._subscription = server.client().pubsub()
        self._subscription.subscribe(channel)
        assert self._subscription.get_message(timeout=60)["type"] == "subscribe"
        self.frames: list[dict[str, Any]] = []

    def listen(self) -> list[dict[str, Any]]:
        """All frames so far."""
        while (message := self._subscription.get_message(timeout=0.01)) is not None:
            self.frames.append(json.loads(message["data"]))
        return self.frames

    def of(self, job_id: str) -> list[dict[str, Any]]:
        return [frame for frame in self.listen() if frame["job_id"] == job_id]


@asynccontextmanager
async def telling(server: RedisServer, folder: Path, **settings: Any) -> AsyncIterator[tuple[Process, Subscriber]]:
    """A process that tells of changes on a channel of its own, and somebody who listens."""
    channel = f"updates-{uuid4().hex}"
    one = Process(folder, server.url(), redis_channel=channel, **settings)
    async with one.relaying():
        yield one, Subscriber(server, channel)
    await one.close()


def running(one: Process) -> Lease:
    one.driver.create(contract=Contract.BACKEND)
    return one.driver.claim().lease


def owed(one: Process, destination: str = "channel") -> int:
    query = select(func.count()).where(outbox.c.destination == destination)
    return int(one.driver.read(lambda conn: conn.execute(query).scalar_one()))


@pytest.mark.contract(
    "backend",
    "Channel `job_updates`",
    "the WebSocket's `job_update` objects, for every change, at the end with the text",
)
def test_a_job_is_told_from_its_creation_to_its_text(redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with telling(redis, tmp_path) as (one, subscriber):
            one.driver.create()  # a native job: nobody is told
            one.driver.cancel("job-0001")
            lease = running(one)
            one.driver.plan(lease, 2)
            one.driver.commit(lease, 0)
            one.driver.commit(lease, 1)
            one.driver.finish_plan(lease, 20.0)
            done = one.driver.write(finish.complete, lease)
            await until(lambda: len(subscriber.listen()) == 5)
            frames = subscriber.frames
            assert [frame["status"] for frame in frames] == ["pending", *["processing"] * 3, "completed"]
            assert [frame["progress"] for frame in frames] == [0, 0, 50, 99, 100]
            assert frames[-1] == update_frame(done, "text 0 text 1")
            assert {frame["job_id"] for frame in frames} == {lease.job_id}

    asyncio.run(go())


@pytest.mark.contract("backend", "Channel `job_updates`", "failed, cancelled, given back, run again")
def test_each_way_to_end_is_told_and_so_is_a_new_beginning(redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with telling(redis, tmp_path) as (one, subscriber):
            lease = running(one)
            one.driver.write(finish.release, lease)
            one.driver.fail(one.driver.claim().lease, retryable=False)
            one.driver.retry(lease.job_id)
            one.driver.cancel(lease.job_id)
            await until(lambda: len(subscriber.listen()) == 7)
            told = [(frame["status"], frame["message"]) for frame in subscriber.frames]
            waiting, busy = ("pending", "Waiting in the queue"), ("processing", "Transcription in progress")
            failed, cancelled = ("failed", "It did not work."), ("failed", "The job was cancelled.")
            assert told == [waiting, busy, waiting, busy, failed, waiting, cancelled]
            assert subscriber.frames[4]["error"] == "It did not work."

    asyncio.run(go())


def test_a_long_job_is_told_of_by_whole_percents(redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with telling(redis, tmp_path) as (one, subscriber):
            lease = running(one)
            one.driver.plan(lease, 150)
            for index in range(150):
                one.driver.commit(lease, index)
            one.driver.finish_plan(lease, 1500.0)
            one.driver.write(finish.complete, lease)
            await until(lambda: subscriber.listen()[-1:] and subscriber.frames[-1]["status"] == "completed")
            progress = [frame["progress"] for frame in subscriber.frames]
            assert progress == sorted(progress)
            assert len(progress) <= 103

    asyncio.run(go())


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.contract("backend", "Channel `job_updates`", "in order for each job, whichever process makes the change")
def test_two_processes_tell_of_one_job_in_its_order(
    redis: RedisServer, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    """As an API and a worker do, whichever of their relays is quicker."""
    place = request.getfixturevalue("postgres").new_database() if kind == "postgresql" else ""

    async def go() -> None:
        async with telling(redis, tmp_path, place=place) as (api, subscriber):
            worker = Process(tmp_path, redis.url(), place=place, redis_channel=api.settings.redis_channel)
            async with worker.relaying():
                ids = []
                for _ in range(15):
                    ids.append(api.driver.create(contract=Contract.BACKEND).id)
                    lease = worker.driver.claim().lease
                    await asyncio.sleep(0)
                    api.driver.cancel(lease.job_id)
                    api.driver.retry(lease.job_id)
                    worker.driver.fail(worker.driver.claim().lease, retryable=False)
                await until(lambda: all(len(subscriber.of(id)) == 6 for id in ids))
            for id in ids:
                statuses = [frame["status"] for frame in subscriber.of(id)]
                assert statuses == ["pending", "processing", "failed", "pending", "processing", "failed"]
            await worker.close()

    asyncio.run(go())


@pytest.mark.contract("backend", "Channel `job_updates`", "what cannot be published is dropped, and no job waits")
def test_a_redis_that_is_away_or_hangs_holds_up_nobody_and_nothing_piles_up(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    async def go() -> None:
        async with telling(own_redis, tmp_path) as (one, subscriber):
            for harm, heal in ((own_redis.pause, own_redis.resume), (own_redis.kill, own_redis.start)):
                await asyncio.to_thread(harm)
                for _ in range(3):
                    one.driver.whole(running(one), 1)
                assert {one.driver.status(f"job-{number:04d}").value for number in range(1, 4)} == {"completed"}
                await until(lambda: owed(one) == 0, what="they are dropped")
                await asyncio.to_thread(heal)
                await until(lambda: one.parts.watch.trouble is None)
            listener = Subscriber(own_redis, one.settings.redis_channel)
            await _heard(one, listener)
            del subscriber

    asyncio.run(go())


@pytest.mark.contract("backend", "Channel `job_updates`", "a subscriber that reads nothing holds up nobody")
def test_a_subscriber_that_reads_nothing_holds_up_nobody(redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with telling(redis, tmp_path) as (one, _deaf):
            listener = Subscriber(redis, one.settings.redis_channel)
            for _ in range(20):
                one.driver.whole(running(one), 1)
            await until(lambda: len([f for f in listener.listen() if f["status"] == "completed"]) == 20)
            await until(lambda: owed(one) == 0)

    asyncio.run(go())


def test_without_redis_or_a_channel_nothing_is_enqueued(redis: RedisServer, tmp_path: Path) -> None:
    for number, settings in enumerate([{"redis_channel": ""}, {"redis_channel": "x", "queue_url": "database:"}]):
        one = Process(tmp_path, redis.url(), name=f"db{number}")
        changed = one.settings.model_copy(update=settings)
        tell_changes(changed, one.database)
        one.driver.whole(running(one), 1)
        assert owed(one) == 0
        asyncio.run(one.close())


async def _heard(one: Process, listener: Subscriber) -> None:
    """Tell of jobs until one is heard."""

    def told() -> bool:
        one.driver.create(contract=Contract.BACKEND)
        return bool(listener.listen())

    await until(told)
