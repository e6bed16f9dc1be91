"""Celery's messages and wake-ups on a real Redis."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from dictograph.errors import BrokerUnavailable, SettingsError
from dictograph.job import Options
from dictograph.queue.celery_tasks import TASK
from dictograph.store.jobs import finish
from tests.integration.redis.parts import Process, arguments, ids, messages, until
from tests.redis import ALICE, BOB, PASSWORDS, RedisServer


def test_a_job_is_one_message_as_celery_has_them(redis: RedisServer, tmp_path: Path) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number), celery_time_limit=20, celery_soft_time_limit=10)
        job = one.driver.create(options=Options(model="tiny"))
        await one.send(job)
        await one.close()
        (message,) = messages(redis.client(number))
        assert (message["headers"]["task"], message["headers"]["id"]) == (TASK, job.id)
        assert message["headers"]["timelimit"] == [20, 10]
        assert arguments(message) == [job.id, "talk.mp3", "tiny"]
        assert message["content-type"] == "application/json"
        assert message["properties"]["delivery_info"]["routing_key"] == "audio_processing"

    asyncio.run(go())


def test_a_job_that_is_given_back_has_no_second_message_and_one_that_is_run_again_has(
    redis: RedisServer, tmp_path: Path
) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number))
        job = one.driver.create()
        async with one.relaying():
            await _sent(one)
            released = one.driver.write(finish.release, one.driver.claim().lease)
            await _sent(one)
            assert (released.last_seq, ids(redis.client(number))) == (3, [job.id])
            one.driver.cancel(job.id)
            one.driver.retry(job.id)
            await _sent(one)
            assert ids(redis.client(number)) == [job.id, job.id]
        await one.close()

    asyncio.run(go())


@pytest.mark.parametrize("key", ["audio_processing", "talks.new"])
def test_messages_arrive_after_everything_was_removed(redis: RedisServer, tmp_path: Path, key: str) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number), celery_routing_key=key)
        first, second = one.driver.create(), one.driver.create()
        await one.send(first)
        redis.client(number).flushdb()
        await one.send(second)
        await one.close()
        (message,) = messages(redis.client(number))
        assert message["headers"]["id"] == second.id
        assert message["properties"]["delivery_info"]["routing_key"] == key

    asyncio.run(go())


def test_many_messages_go_out_together_over_one_connection(redis: RedisServer, tmp_path: Path) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number))
        jobs = [one.driver.create() for _ in range(300)]
        await asyncio.gather(*(one.send(job) for job in jobs))
        assert ids(redis.client(number)) == [job.id for job in jobs]
        assert len(redis.client().client_list()) < 50
        await one.close()

    asyncio.run(go())


@pytest.mark.parametrize("way", ["password", "tls", "careless tls"])
def test_a_password_and_tls_open_the_way(redis: RedisServer, tmp_path: Path, way: str) -> None:
    number = redis.new_database()
    url = {
        "password": redis.url(number, ALICE, PASSWORDS[ALICE]),
        "tls": redis.tls_url(number),
        "careless tls": redis.tls_url(number, "?ssl_cert_reqs=none"),
    }[way]

    async def go() -> None:
        one = Process(tmp_path, url)
        job = one.driver.create()
        await one.send(job)
        assert ids(redis.client(number)) == [job.id]
        await one.queue.heard(0.01)
        channel = await one.parts._wake_channel()
        await until(lambda: redis.client().pubsub_numsub(channel)[0][1] == 1, what="it listens")
        await one.close()

    asyncio.run(go())


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        (ALICE, "hunter2", "it refuses the user or the password"),
        (BOB, PASSWORDS[BOB], "the user has no right"),
        ("", "", "TLS fails: its certificate is not trusted"),
    ],
)
def test_who_is_not_let_in_is_told_why(
    redis: RedisServer, tmp_path: Path, user: str, password: str, reason: str
) -> None:
    url = redis.url(0, user, password) if user else redis.tls_url(query="")

    async def go() -> None:
        one = Process(tmp_path, url)
        with pytest.raises(BrokerUnavailable, match=reason) as caught:
            await one.send(one.driver.create())
        assert "hunter2" not in str(caught.value)
        await one.close()

    asyncio.run(go())


def test_every_worker_of_a_database_hears_a_wake_up_at_once(redis: RedisServer, tmp_path: Path) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number))
        others = [Process(tmp_path, redis.url(number), poll_interval=600) for _ in range(2)]
        stranger = Process(tmp_path, redis.url(number), name="stranger")
        for each in (*others, stranger):
            await each.queue.heard(0.01)
        channel = await one.parts._wake_channel()
        while redis.client().pubsub_numsub(channel)[0][1] < 2:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(each.queue.heard(0.01) for each in (*others, stranger)))  # that of the connection
        began = time.monotonic()
        waiting = asyncio.gather(*(other.queue.heard(60) for other in others))
        deaf = asyncio.create_task(stranger.queue.heard(60))
        await one.send(one.driver.create())
        await waiting
        assert time.monotonic() - began < 5
        assert not deaf.done()
        deaf.cancel()
        for each in (one, *others, stranger):
            await each.close()

    asyncio.run(go())


def test_messages_are_written_as_the_settings_say(redis: RedisServer, tmp_path: Path) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number), celery_serializer="yaml", celery_queue="talks")
        await one.send(one.driver.create())
        await one.close()
        (message,) = messages(redis.client(number), "talks")
        assert message["content-type"] == "application/x-yaml"

    asyncio.run(go())


def test_a_serializer_that_is_not_installed_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Celery's messages cannot be written: .*msgpack"):
        Process(tmp_path, "redis://127.0.0.1:1", celery_serializer="msgpack")


async def _sent(one: Process) -> None:
    """Wait until nothing is owed."""
    from sqlalchemy import func, select

    from dictograph.store.tables import outbox

    async with asyncio.timeout(60):
        while one.driver.read(lambda conn: conn.execute(select(func.count()).select_from(outbox)).scalar_one()):
            await asyncio.sleep(0.02)
