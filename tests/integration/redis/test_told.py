"""Where an operator looks: `dictograph doctor`, `/v1/status`, the warnings of `/ready`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dictograph.api.views import ready_view, status_view
from dictograph.bootstrap import Application, open_application
from dictograph.cli.doctor import redis_checks
from dictograph.cli.doctor.findings import Finding, Verdict, find, in_thread
from dictograph.job import Options
from dictograph.service.request import JobRequest
from dictograph.settings.loading import load
from dictograph.telemetry.queue_metrics import QueueMetrics
from tests.integration.redis.parts import Process, until
from tests.redis import ALICE, BOB, PASSWORDS, RedisServer, redis_server


def seen(url: str, **settings: Any) -> Finding:
    loaded = load({"queue_url": url, **settings}, {}, Path("/nowhere")).settings
    return asyncio.run(find("redis", in_thread(redis_checks.redis), loaded))


def test_the_doctor_counts_the_messages_and_names_the_version(redis: RedisServer, tmp_path: Path) -> None:
    number = redis.new_database()

    async def go() -> None:
        one = Process(tmp_path, redis.url(number))
        await one.send(one.driver.create())
        await one.close()

    asyncio.run(go())
    found = seen(redis.url(number))
    assert (found.verdict, found.advice) == (Verdict.OK, "")
    version = redis.client().info()["redis_version"]
    assert found.detail == (f"Redis {version} at 127.0.0.1:{redis.port}/{number}, messages in audio_processing: 1")
    assert seen("database:").detail == "not used"


@pytest.mark.parametrize(
    ("url", "detail", "advice"),
    [
        (lambda r: "redis://127.0.0.1:1", "127.0.0.1:1/0 cannot be used: nothing listens there", "whether Redis runs"),
        (lambda r: "redis://redis.invalid", "the name of the host cannot be resolved", "Check DICTOGRAPH_QUEUE_URL"),
        (lambda r: r.url(0, ALICE, "hunter2"), "it refuses the user or the password", "user, password"),
        (lambda r: r.url(0, BOB, PASSWORDS[BOB]), "the user has no right", "Check DICTOGRAPH_QUEUE_URL"),
        (lambda r: r.tls_url(query=""), "TLS fails: its certificate is not trusted", "rediss:// for TLS"),
    ],
)
def test_the_doctor_says_why_redis_cannot_be_used(
    redis: RedisServer, url: Callable[[RedisServer], str], detail: str, advice: str
) -> None:
    found = seen(url(redis))
    assert found.verdict is Verdict.FAIL
    assert detail in found.detail
    assert advice in found.advice
    assert "hunter2" not in found.detail


def test_the_doctor_warns_of_what_workers_cannot_run(redis: RedisServer) -> None:
    number = redis.new_database()
    for item in ("no json", '{"headers": {"task": "other.task"}}', "[]", "1"):
        redis.client(number).lpush("audio_processing", item)
    found = seen(redis.url(number))
    assert found.verdict is Verdict.WARN
    assert "messages in audio_processing: 4; of the next 100, 4 are not for our task" in found.detail
    assert "DICTOGRAPH_CELERY_QUEUE" in found.advice


def test_the_doctor_warns_of_a_redis_that_forgets_and_of_one_that_takes_nothing() -> None:
    with redis_server("maxmemory 100mb", "maxmemory-policy allkeys-lru", "requirepass hunter2") as one:
        assert "it wants a password" in seen(one.url()).detail
        url = one.url(password="hunter2")
        found = seen(url)
        assert (found.verdict, "forgets keys when its memory is full (allkeys-lru)" in found.detail) == ("warn", True)
        assert "noeviction" in found.advice
        assert "hunter2" not in found.detail


def opened(folder: Path, url: str) -> Any:
    settings = load({"queue_url": url, "data_dir": folder / "data", "engine": "sphinx"}, {}, folder).settings
    return open_application(settings, worker=False)


async def state(application: Application) -> dict[str, Any]:
    view = status_view(await application.services.status.status(None), "1").model_dump()
    found: dict[str, Any] = view["queue"]
    return found


def test_the_status_has_the_queue_and_an_api_without_redis_takes_jobs(own_redis: RedisServer, tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, own_redis.url()) as application:
            watch = application.resources.redis.watch
            await until(lambda: watch.trouble is None)
            assert await state(application) == {"kind": "redis", "reachable": True, "reason": "", "messages": 0}
            await asyncio.to_thread(own_redis.kill)
            await until(lambda: watch.trouble is not None)
            told = await state(application)
            assert (told["kind"], told["reachable"], told["messages"]) == ("redis", False, None)
            assert told["reason"].startswith("nothing listens there")
            warnings = ready_view(await application.services.status.readiness()).warnings
            assert any(warning.startswith("Redis at 127.0.0.1:") for warning in warnings)
            order = JobRequest(Options(), owner="local")
            accepted = await application.services.intake.url(order, "https://audio.example/a.mp3", None)
            await asyncio.to_thread(own_redis.start)
            await until(lambda: own_redis.client().llen("audio_processing") == 1)
            await until(lambda: watch.state is not None and watch.state.length == 1)
            assert (await state(application))["messages"] == 1
            assert accepted.job.status == "pending"

    asyncio.run(go())


def test_without_a_broker_the_queue_is_the_database(tmp_path: Path) -> None:
    async def go() -> None:
        async with opened(tmp_path, "database:") as application:
            assert await state(application) == {"kind": "database", "reachable": True, "reason": "", "messages": None}

    asyncio.run(go())


def test_the_metrics_count_what_waits_in_the_database_and_in_the_broker(tmp_path: Path) -> None:
    async def go() -> str:
        one = Process(tmp_path, "redis://127.0.0.1:1")
        one.driver.create()
        metrics = QueueMetrics(one.database, lambda: 3, lambda: {"talks/0": 7})
        text = (await metrics.exposition()).decode()
        await one.close()
        assert b"dictograph_jobs_waiting" not in await metrics.exposition(), "the database is closed"
        return text

    text = asyncio.run(go())
    for line in (
        "jobs_waiting 1.0",
        "jobs_running 0.0",
        "celery_messages 3.0",
        'partition_lag{partition="talks/0"} 7.0',
    ):
        assert f"\ndictograph_{line}\n" in text
