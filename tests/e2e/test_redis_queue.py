"""A queue on Redis: workers that are woken through it, and a service that goes on without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redis import ALICE, PASSWORDS, RedisServer
from tests.service import Service, eventually

TALK = Path(__file__).parents[2] / "src" / "dictograph" / "samples" / "count.wav"

#: So rarely does a worker look for jobs by itself, in seconds.
POLL_S = 120


@pytest.fixture
def api(tmp_path: Path, own_redis: RedisServer) -> Iterator[Service]:
    """The API, beside a worker with the same settings; on SQLite no process can wake another one."""
    up = Service(tmp_path, "api", queue_url=own_redis.url(), poll_interval=POLL_S)
    worker = up.beside("worker", "worker")
    try:
        up.start().wait_until_up()
        worker.start()
        yield up.wait_until_ready()
    finally:
        for one in (up, worker):
            if one.running:
                one.kill()


def test_jobs_are_done_long_before_a_worker_would_look_for_them_and_celery_has_their_messages(
    api: Service, own_redis: RedisServer
) -> None:
    first = api.submit(TALK)

    def again() -> bool:
        api.submit(TALK)  # until the worker listens, wake-ups are lost, as they may be
        return bool(api.job(first)["status"] == "completed")

    eventually(again, longest=1)
    began = time.monotonic()
    for _ in range(5):
        api.wait_for(api.submit(TALK))
    assert time.monotonic() - began < POLL_S / 2
    assert "redis" in api.get("/v1/status").json()["queue"]["kind"]


def test_a_service_whose_redis_is_gone_accepts_jobs_and_does_them(tmp_path: Path, own_redis: RedisServer) -> None:
    one = Service(tmp_path, queue_url=own_redis.url(0, ALICE, PASSWORDS[ALICE]))
    try:
        one.start().wait_until_ready()
        own_redis.kill()
        job = one.submit(TALK)
        one.wait_for(job)
        queue = eventually(lambda: (state := one.get("/v1/status").json()["queue"])["reason"] and state)
        assert (queue["kind"], queue["reachable"]) == ("redis", False)
        assert one.get("/ready").status_code == 200
        own_redis.start()
        eventually(lambda: own_redis.client().exists(f"celery-task-meta-{job}"), what="its task has been run")
        assert PASSWORDS[ALICE] not in one.words_of_log()
    finally:
        if one.running:
            one.kill()
