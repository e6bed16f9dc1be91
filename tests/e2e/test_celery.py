"""Celery on Redis, whole: `celery -A dictograph.celery worker` and Celery's own clients, without anything of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from celery import states
from celery.result import AsyncResult

from scripts.machine import free_port
from tests.audio_files import write_noise
from tests.celery_worker import COUNT, TASK, CeleryWorker, client, pool_of
from tests.redis import ALICE, PASSWORDS, RedisServer
from tests.service import NO_TLS, Service, eventually

#: How long a test waits for a result, in seconds.
PATIENCE_S = 90

#: What a queue can hold that is no message.
NO_MESSAGES = (
    "",
    "not json",
    "17",
    "[1]",
    '{"body": "x"}',
    '{"properties": {"delivery_tag": 7}}',
    "\ud800",
    "{" * 5000,
)


class Place:
    """An API, a Celery worker with a pool of three, and a plain client, on a database of the run's Redis."""

    def __init__(self, folder: Path, redis: RedisServer, queue_url: str = "", **settings: Any) -> None:
        number = redis.new_database()
        url = queue_url or redis.url(number, ALICE, PASSWORDS[ALICE])
        self.redis = redis.client(number)
        self.api = Service(folder, "api", queue_url=url, shutdown_grace="6s", **settings)
        self.worker = CeleryWorker(
            folder, "-c", "3", name="celery", **{k: v for k, v in self.api.settings.items() if k != "listen"}
        )
        self.client = client(url)
        self.long = write_noise(folder / "long.wav", 150, seed=1)

    def slow_job(self, delay: float = 1) -> str:
        """A job with a window every so many seconds, five in all, which has begun."""
        self.api.behave(delay=delay, max_batch=1)
        job = self.api.submit(self.long, vad_filter="false")
        eventually(lambda: self.result(job).state == states.STARTED)
        eventually(lambda: self.api.job(job)["status"] == "processing")
        return job

    def attempts(self, job: str) -> tuple[int, int]:
        """How often the job was begun, and how often that was charged to it."""
        ((attempt, failures),) = self.api.rows("SELECT attempt, failures FROM transcription_job WHERE id = ?", job)
        return attempt, failures

    def result(self, job: str) -> AsyncResult:
        return AsyncResult(job, app=self.client)

    def send(self, job: Any, **options: Any) -> AsyncResult:
        """Send the task as an old API does."""
        return self.client.send_task(TASK, args=[job, "count.wav", "base"], queue="audio_processing", **options)

    @property
    def pid(self) -> int:
        assert self.worker.process is not None
        return self.worker.process.pid


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Place]:
    one = Place(tmp_path_factory.mktemp("celery"), redis)
    try:
        one.api.start().wait_until_up()
        one.worker.start().wait_until_it_hears()
        yield one
    finally:
        for process in (one.api, one.worker):
            if process.running:
                process.kill()


@pytest.fixture(autouse=True)
def quick_again(place: Place) -> Iterator[None]:
    yield
    place.api.behave()


@pytest.mark.contract("backend", "Celery", "a job's task returns its text, to a client that knows the id alone")
def test_the_task_of_a_job_returns_its_text(place: Place) -> None:
    job = place.api.submit(COUNT)
    result = place.result(job).get(timeout=PATIENCE_S)
    assert result.keys() == {"text", "processing_time"}
    assert result["text"].split() == place.api.transcript(job, "txt").split()
    assert result["processing_time"] > 0


@pytest.mark.contract("backend", "Celery", "a message of an old API is taken; of a job that has ended, at once")
def test_a_message_of_an_old_client_is_taken(place: Place) -> None:
    job = place.api.submit(COUNT)
    place.api.wait_for(job)
    first = place.result(job).get(timeout=PATIENCE_S)
    began = time.monotonic()
    assert place.send(job, task_id=str(uuid4())).get(timeout=PATIENCE_S) == first
    assert time.monotonic() - began < 5


@pytest.mark.contract("backend", "Celery", "the task of an unknown job fails, and is done with")
@pytest.mark.parametrize("job", ["nul \x00 and \ud800", None, ["list"]])
def test_the_task_of_an_unknown_job_fails(place: Place, job: object) -> None:
    task = place.send(job)
    with pytest.raises(Exception, match="There is no job"):
        task.get(timeout=PATIENCE_S)
    assert task.state == states.FAILURE
    eventually(lambda: place.redis.llen("audio_processing") + place.redis.hlen("unacked") == 0)


@pytest.mark.contract("backend", "Celery", "the task of a failed or cancelled job fails with the job's error")
def test_the_task_of_a_failed_job_says_why(place: Place, tmp_path: Path) -> None:
    text = tmp_path / "words.wav"
    text.write_text("no sound at all\n" * 50)
    job = place.api.submit(text)
    failed = place.api.wait_for(job)
    with pytest.raises(Exception, match=failed["error"]["code"]) as caught:
        place.result(job).get(timeout=PATIENCE_S)
    assert type(caught.value).__name__ == "JobFailed"


def test_the_task_of_a_cancelled_job_says_so(place: Place) -> None:
    job = place.slow_job()
    place.api.post(f"/v1/transcriptions/{job}/cancel")
    with pytest.raises(Exception, match="cancelled") as caught:
        place.result(job).get(timeout=PATIENCE_S)
    assert type(caught.value).__name__ == "JobCancelled"


@pytest.mark.contract("backend", "Celery", "inspect active, registered, conf, active_queues, stats; secrets masked")
def test_celerys_own_inspection(place: Place) -> None:
    job = place.slow_job()
    inspect = place.client.control.inspect(timeout=30, limit=1)
    active = eventually(lambda: _only(inspect.active()), PATIENCE_S)
    assert [(one["name"], one["args"][0], one["id"]) for one in active if one["id"] == job] == [(TASK, job, job)]
    assert TASK in str(_only(inspect.registered()))
    (queue,) = _only(inspect.active_queues())
    assert (queue["name"], queue["routing_key"]) == ("audio_processing", "audio_processing")
    assert _only(inspect.stats())["pool"]["max-concurrency"] == 3
    conf = inspect.conf(with_defaults=True)
    shown = _only(conf)
    assert (shown["task_time_limit"], shown["task_soft_time_limit"], shown["result_expires"]) == (600, 480, 86400)
    assert PASSWORDS[ALICE] not in json.dumps([conf, inspect.stats(), inspect.report()])
    place.api.behave()
    place.api.wait_for(job)


@pytest.mark.contract("backend", "Celery", "a sender's limits cost no attempt; the result has the same id")
def test_limits_end_no_job(place: Place) -> None:
    job = place.slow_job(delay=0.7)
    other = place.send(job, soft_time_limit=1, time_limit=2)
    states_seen = set()

    def ended() -> bool:
        states_seen.add(other.state)
        return other.ready()

    eventually(ended, PATIENCE_S)
    assert other.get()["text"] == place.result(job).get(timeout=PATIENCE_S)["text"]
    assert states_seen <= {states.PENDING, states.STARTED, states.SUCCESS}
    assert place.attempts(job) == (1, 0)


def test_what_is_no_message_is_removed_and_told(place: Place) -> None:
    for item in NO_MESSAGES:
        place.redis.rpush("audio_processing", item.encode("utf-8", "surrogatepass"))
    no_task = {
        "body": "", "headers": {"task": TASK},
        "properties": {"delivery_tag": "x", "delivery_info": {"exchange": "", "routing_key": "audio_processing"}},
    }  # fmt: skip
    place.redis.rpush("audio_processing", json.dumps(no_task))
    job = place.api.submit(COUNT)
    assert place.result(job).get(timeout=PATIENCE_S)["text"]
    eventually(lambda: place.redis.hlen("unacked") == 0)
    assert "a message could not be taken, and was removed" in place.worker.words_of_log()
    assert place.worker.words_of_log().count("was no message, and was removed") == len(NO_MESSAGES)


def test_a_process_of_the_pool_that_is_killed_costs_no_job_anything(place: Place) -> None:
    job = place.slow_job()
    for process in pool_of(place.pid):
        process.kill()
    place.api.behave()
    assert place.api.wait_for(job)["status"] == "completed"
    assert place.attempts(job) == (1, 0)
    assert place.result(job).get(timeout=PATIENCE_S)["text"]


def _only(answers: dict[str, Any] | None) -> Any:
    return next(iter(answers.values())) if answers else None


def test_what_a_task_cannot_wait_in_is_refused(place: Place) -> None:
    solo = CeleryWorker(place.worker.folder, "-P", "solo", name="solo", **place.worker.settings)
    assert solo.start().process.wait(60) == 1  # type: ignore[union-attr]
    assert "The pool `solo` cannot wait for jobs" in solo.words_of_log()


@pytest.mark.contract("backend", "Celery", "Flower shows the worker and its tasks")
def test_flower(place: Place) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **os.environ,
        "DICTOGRAPH_QUEUE_URL": str(place.api.settings["queue_url"]),
        "FLOWER_UNAUTHENTICATED_API": "true",
    }
    command = [sys.executable, "-m", "celery", "-A", "dictograph.celery", "flower", "--address=127.0.0.1"]
    with (place.worker.folder / "flower.log").open("wb") as log:
        flower = subprocess.Popen([*command, f"--port={port}"], env=environment, stdout=log, stderr=log, cwd="/")
    try:
        workers = eventually(lambda: _json(f"{url}/workers?refresh=1"), PATIENCE_S)
        (worker,) = workers.values()
        assert TASK in worker["registered"]
        assert [queue["name"] for queue in worker["active_queues"]] == ["audio_processing"]
        job = place.api.submit(COUNT)
        place.api.wait_for(job)

        def seen() -> bool:
            place.send(job).get(timeout=PATIENCE_S)  # until Flower has asked for events, it sees none
            tasks = (_json(f"{url}/tasks") or {}).values()
            return any((task["name"], task["state"]) == (TASK, states.SUCCESS) for task in tasks)

        eventually(seen, PATIENCE_S, longest=1)
    finally:
        flower.kill()
        flower.wait()


def test_a_stop_does_not_wait_for_a_long_job(place: Place) -> None:
    job = place.slow_job(delay=20)
    began = time.monotonic()
    assert place.worker.stop() == 0
    assert time.monotonic() - began < 15  # the grace is 6 s
    assert place.attempts(job) == (1, 0)
    assert place.redis.llen("audio_processing") == 1, "its message is in the queue again"
    assert place.redis.hlen("unacked") == 0


def _json(url: str) -> Any:
    try:
        answer = httpx.get(url, timeout=30, verify=NO_TLS)
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None
