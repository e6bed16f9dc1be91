"""What may befall a Celery worker, and takes long to see: `make soak` runs this, `make test` does not."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from celery import states

from tests.celery_worker import COUNT, BareTask, celery_of, host_of, pool_of
from tests.e2e import test_celery, test_celery_beside
from tests.e2e.test_celery import PATIENCE_S
from tests.e2e.test_celery_beside import GONE_S
from tests.redis import RedisServer
from tests.service import eventually

place = test_celery.place
beside = test_celery_beside.place


def test_a_host_that_is_killed_is_started_again(place: test_celery.Place) -> None:
    job = place.slow_job()
    host = host_of(place.pid)
    assert host is not None
    host.kill()
    place.api.behave()
    assert place.result(job).get(timeout=PATIENCE_S)["text"]
    assert host_of(place.pid) != host


def test_a_celery_worker_that_is_killed_is_started_again_and_the_job_goes_on(place: test_celery.Place) -> None:
    job = place.slow_job()
    worker, host, pool = celery_of(place.pid), host_of(place.pid), pool_of(place.pid)
    assert worker is not None
    worker.kill()
    eventually(lambda: not any(process.is_running() for process in pool))
    place.api.behave()
    assert place.api.wait_for(job)["status"] == "completed"
    assert place.attempts(job) == (1, 0)
    eventually(lambda: celery_of(place.pid) not in (None, worker), PATIENCE_S)
    assert host_of(place.pid) == host
    second = place.api.submit(COUNT)
    assert place.result(second).get(timeout=PATIENCE_S)["text"]


def test_one_that_hangs_is_replaced(beside: test_celery_beside.Place) -> None:
    assert beside.client.AsyncResult(beside.service.submit(COUNT)).get(timeout=PATIENCE_S)  # it hears its queue
    before = beside.celery()
    os.kill(before.pid, signal.SIGSTOP)
    began = time.monotonic()
    eventually(lambda: not before.is_running(), PATIENCE_S)
    assert time.monotonic() - began < GONE_S
    job = beside.service.submit(COUNT)
    assert beside.client.AsyncResult(job).get(timeout=PATIENCE_S)["text"]


def test_redis_is_emptied_while_a_task_waits(beside: test_celery_beside.Place) -> None:
    job = beside.slow_job()
    beside.server.client().flushall()
    beside.check(job)


def test_redis_does_not_answer_for_a_while(beside: test_celery_beside.Place) -> None:
    job = beside.slow_job()
    before = beside.celery()
    beside.server.pause()
    try:
        eventually(lambda: not before.is_running(), PATIENCE_S)
    finally:
        beside.server.resume()
    beside.check(job)


def test_a_process_of_the_pool_that_is_told_to_end_ends_no_job(place: test_celery.Place) -> None:
    job = place.slow_job()
    for process in pool_of(place.pid):
        process.terminate()
    place.api.behave()
    assert place.api.wait_for(job)["status"] == "completed"
    assert place.attempts(job) == (1, 0)


def test_a_task_that_is_revoked_ends_no_job(place: test_celery.Place) -> None:
    job = place.slow_job()
    place.result(job).revoke(terminate=True)
    eventually(lambda: place.result(job).state == states.REVOKED, PATIENCE_S)
    place.api.behave()
    assert place.api.wait_for(job)["status"] == "completed"
    assert place.attempts(job) == (1, 0)


def test_a_message_becomes_visible_again_and_no_job_is_begun_twice(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> None:
    """In the same run, a bare task of Celery's begins more than once."""
    place = test_celery.Place(tmp_path_factory.mktemp("visible"), redis, celery_visibility="5s")
    bare = BareTask(place.worker.folder, redis.url(redis.new_database()))
    try:
        place.api.start().wait_until_up()
        place.worker.start().wait_until_it_hears()
        bare.start()
        began = time.monotonic()
        job = place.slow_job(delay=12)  # five windows
        assert place.result(job).get(timeout=300)["text"]
        assert time.monotonic() - began > 55
        assert place.attempts(job) == (1, 0)
        assert bare.begun() > 1
        family = psutil.Process(place.pid).children(recursive=True)
        place.worker.kill()
        eventually(lambda: not any(process.is_running() for process in family), PATIENCE_S)
    finally:
        bare.kill()
        for process in (place.api, place.worker):
            if process.running:
                process.kill()


def test_redis_by_tls_and_a_pool_of_threads(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> None:
    place = test_celery.Place(
        tmp_path_factory.mktemp("tls"), redis, queue_url=f"{redis.tls_url(redis.new_database())}&ssl_cert_reqs=required"
    )
    try:
        place.api.start().wait_until_up()
        place.worker.start("-P", "threads").wait_until_it_hears()
        job = place.slow_job()
        place.api.behave()
        assert place.result(job).get(timeout=PATIENCE_S)["text"]
        job = place.slow_job(delay=20)
        began = time.monotonic()
        assert place.worker.stop() == 0
        assert time.monotonic() - began < 15
        assert place.attempts(job) == (1, 0)
    finally:
        for process in (place.api, place.worker):
            if process.running:
                process.kill()
