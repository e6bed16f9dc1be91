"""A queue on Redis: a service goes on without it."""

from __future__ import annotations

from pathlib import Path

from tests.redis import ALICE, PASSWORDS, RedisServer
from tests.service import Service, eventually

TALK = Path(__file__).parents[2] / "src" / "dictograph" / "samples" / "count.wav"


def test_a_service_whose_redis_is_gone_accepts_jobs_and_does_them(tmp_path: Path, own_redis: RedisServer) -> None:
    one = Service(tmp_path, queue_url=own_redis.url(0, ALICE, PASSWORDS[ALICE]), concurrency=1)
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
