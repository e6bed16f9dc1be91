"""`dictograph serve` with the queue on Redis: it keeps a Celery worker running, and goes on without it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from celery import Celery

from tests.audio_files import write_noise
from tests.celery_worker import COUNT, TASK, celery_of, client, pool_of
from tests.redis import RedisServer, redis_server
from tests.service import Service, eventually

PATIENCE_S = 90

#: How soon a Celery worker that is of no use has to be gone, in seconds; a slow machine gets some more.
GONE_S = 30

#: How soon a task has its result after Redis is back, in seconds: sooner than Celery's policy would send it again.
BACK_S = 50


class Place:
    """A service with two slots, and a plain client, on a Redis of their own."""

    def __init__(self, folder: Path, server: RedisServer) -> None:
        self.server = server
        self.service = Service(folder, queue_url=server.url(), celery_pool=2, shutdown_grace="6s")
        self.client: Celery = client(server.url())
        self.long = write_noise(folder / "long.wav", 150, seed=2)

    @property
    def pid(self) -> int:
        assert self.service.process is not None
        return self.service.process.pid

    def celery(self) -> psutil.Process:
        """The Celery worker, with a process of its pool at least."""
        eventually(lambda: len(pool_of(self.pid)) == 2, PATIENCE_S, "no Celery worker")
        found = celery_of(self.pid)
        assert found is not None
        return found

    def slow_job(self) -> str:
        self.service.behave(delay=1, max_batch=1)
        job = self.service.submit(self.long, vad_filter="false")
        eventually(lambda: self.client.AsyncResult(job).state == "STARTED", PATIENCE_S)
        return job

    def check(self, job: str) -> None:
        """The job was begun once, and its task has its text, or another one gets it."""
        self.service.behave()
        assert self.service.wait_for(job)["status"] == "completed"
        assert self.service.rows("SELECT attempt, failures FROM transcription_job WHERE id = ?", job) == [(1, 0)]
        new = self.client.send_task(TASK, args=[job, "long.wav", "base"], task_id=str(uuid4()))
        assert new.get(timeout=PATIENCE_S)["text"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with redis_server() as server:
        one = Place(tmp_path_factory.mktemp("beside"), server)
        try:
            one.service.start().wait_until_ready()
            yield one
        finally:
            if one.service.running:
                one.service.kill()


def test_a_task_returns_its_jobs_text(place: Place) -> None:
    job = place.service.submit(COUNT)
    assert place.client.AsyncResult(job).get(timeout=PATIENCE_S)["text"]


def test_a_celery_worker_that_is_killed_is_started_anew_and_its_tasks_wait_on(place: Place) -> None:
    job = place.slow_job()
    before = place.celery()
    before.kill()
    place.service.behave()
    assert place.client.AsyncResult(job).get(timeout=PATIENCE_S)["text"], "its message was not lost"
    assert place.celery() != before
    place.check(job)


def test_redis_is_killed_and_started_again_empty_while_a_task_waits(place: Place) -> None:
    job = place.slow_job()
    before = place.celery()
    place.server.kill()
    began = time.monotonic()
    eventually(lambda: not before.is_running(), PATIENCE_S)
    assert time.monotonic() - began < GONE_S
    during = place.service.submit(COUNT)
    place.service.behave()
    assert place.service.wait_for(during)["status"] == "completed", "a job needs no Redis"
    place.server.start()
    began = time.monotonic()
    assert place.client.AsyncResult(during).get(timeout=PATIENCE_S)["text"]
    assert time.monotonic() - began < BACK_S
    place.check(job)


def test_all_ends_with_the_service(place: Place) -> None:
    place.slow_job()
    family = psutil.Process(place.pid).children(recursive=True)
    place.service.kill()
    eventually(lambda: not any(process.is_running() for process in family), PATIENCE_S)
