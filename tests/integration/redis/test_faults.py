"""A Redis that is away, hangs, is read-only or full: jobs do not notice, and Celery is told of them when it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dictograph.errors import BrokerUnavailable
from tests.integration.redis.parts import Process, ids, until
from tests.redis import RedisServer

#: The most seconds for a message that cannot be sent: the relay waits for ten.
BOUND_S = 9


def kill(server: RedisServer) -> Callable[[], object]:
    server.kill()
    return server.start


def pause(server: RedisServer) -> Callable[[], object]:
    server.pause()
    return server.resume


def read_only(server: RedisServer) -> Callable[[], object]:
    server.client().execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: server.client().execute_command("REPLICAOF", "NO", "ONE")


def full(server: RedisServer) -> Callable[[], object]:
    server.client().config_set("maxmemory", "1mb")
    server.client().config_set("maxmemory-policy", "noeviction")
    return lambda: server.client().config_set("maxmemory", "0")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (kill, "nothing listens there"),
        (pause, "it does not answer in time"),
        (read_only, "it is a replica that takes no writes"),
        (full, "it is out of memory"),
    ],
)
def test_what_could_not_be_sent_is_sent_as_soon_as_redis_is_back(
    own_redis: RedisServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    harm: Callable[[RedisServer], Callable[[], object]],
    reason: str,
) -> None:
    """The policy for publishing would wait for minutes."""

    async def go() -> None:
        one = Process(tmp_path, own_redis.url(), celery_publish_interval_start=600, celery_publish_interval_max=600)
        async with one.relaying():
            before = one.driver.create()
            await until(lambda: ids(own_redis.client()) == [before.id] and one.parts.watch.trouble is None)
            heal = await asyncio.to_thread(harm, own_redis)
            during = [one.driver.create().id for _ in range(3)]
            await until(lambda: (one.parts.watch.trouble or "").startswith(reason), what=reason)
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable, match=reason):
                await one.send(before)
            assert time.monotonic() - began < BOUND_S
            await asyncio.to_thread(heal)
            await until(lambda: one.parts.watch.trouble is None)
            lost = {before.id} if harm is kill else set()  # it keeps nothing on disk
            await until(lambda: set(ids(own_redis.client())) >= {before.id, *during} - lost)
        await one.close()

    with caplog.at_level(logging.INFO, "dictograph.redis.watch"):
        asyncio.run(go())
    told = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
    assert len([line for line in told if reason in line]) <= 2, "once, and seldom after that"


def test_a_redis_that_comes_later_is_found(own_redis: RedisServer, tmp_path: Path) -> None:
    own_redis.kill()

    async def go() -> None:
        one = Process(tmp_path, own_redis.url())
        async with one.relaying():
            job = one.driver.create()
            began = time.monotonic()
            await one.queue.heard(60)
            assert time.monotonic() - began < BOUND_S, "the worker of this process does not wait for Redis"
            await until(lambda: one.parts.watch.trouble is not None)
            assert one.parts.watch.warning.startswith(f"Redis at 127.0.0.1:{own_redis.port}/0 cannot be used: ")
            await asyncio.to_thread(own_redis.start)
            await until(lambda: ids(own_redis.client()) == [job.id])
            await until(lambda: one.parts.watch.state is not None and one.parts.watch.state.length == 1)
            assert one.parts.watch.warning == ""
        await one.close()

    asyncio.run(go())


def test_a_worker_hears_again_after_a_restart(own_redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        one, other = Process(tmp_path, own_redis.url()), Process(tmp_path, own_redis.url())
        await other.queue.heard(0.01)
        channel = await one.parts._wake_channel()
        await until(lambda: own_redis.client().pubsub_numsub(channel)[0][1] == 1)
        await asyncio.to_thread(own_redis.kill)
        await asyncio.to_thread(own_redis.start)
        await until(lambda: own_redis.client().pubsub_numsub(channel)[0][1] == 1)
        await other.queue.heard(0.01)
        waiting = asyncio.create_task(other.queue.heard(60))
        await one.send(one.driver.create())
        async with asyncio.timeout(30):
            await waiting
        for each in (one, other):
            await each.close()

    asyncio.run(go())
