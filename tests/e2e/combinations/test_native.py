"""What a client of the native API notices is the same on every combination. One that is added to the list has to pass.

The processes of a combination are started once, for all tests on it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.combinations import Combination, shared_servers
from tests.e2e.combinations.running import MAX_QUEUED, PLAIN, Running, running_on
from tests.service import eventually

QUEUES = (("sqlite", "database"), ("postgresql", "database"), ("postgresql", "kafka"), ("postgresql", "celery"))
COMBINATIONS = [Combination(database, queue, storage) for database, queue in QUEUES for storage in ("folder", "s3")]


@pytest.fixture(scope="module", params=COMBINATIONS, ids=str)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API and a worker on the combination."""
    servers = shared_servers(request.param, request)
    with running_on(tmp_path_factory.mktemp(str(request.param)), servers) as one:
        yield one


@pytest.fixture(autouse=True)
def quick_again(pair: Running) -> Iterator[None]:
    """What a test that failed leaves behind slows down no other one."""
    yield
    pair.take(0)


def test_an_upload_is_held_until_it_is_transcribed(pair: Running) -> None:
    answer = pair.create(wait=60)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    job = answer.json()["id"]
    assert pair.api.transcript(job, "txt").strip() == pair.text
    assert pair.text in pair.api.transcript(job, "srt")
    assert pair.stored(job), "its audio is kept"


def test_a_url_is_fetched(pair: Running) -> None:
    body = {"url": f"{pair.site}/short.wav", "vad_filter": False}
    answer = pair.api.post("/v1/transcriptions", json=body, params={"wait": 60})
    assert (answer.status_code, answer.json()["status"]) == (200, "completed"), answer.text
    assert pair.api.transcript(answer.json()["id"], "txt").strip() == pair.text


def test_events_have_no_gap_and_go_on_after_the_last_one_seen(pair: Running) -> None:
    job = pair.create().json()["id"]
    told = pair.events(job)
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert (told[0][1], told[-1][1]) == ("created", "completed")
    assert {"started", "plan", "segments"} <= {type for _, type in told}
    assert pair.events(job, after=len(told) - 2) == told[-2:]
    assert pair.events(job, after=len(told)) == []


def test_a_job_is_cancelled_in_the_middle_and_run_again(pair: Running) -> None:
    pair.take(0.5)
    job = pair.api.submit(pair.long, **PLAIN)
    pair.wait_until_it_runs(job)
    assert pair.api.post(f"/v1/transcriptions/{job}/cancel").json()["status"] == "cancelled"
    told = pair.events(job)
    assert told[-1][1] == "cancelled"
    pair.take(0)
    assert pair.api.post(f"/v1/transcriptions/{job}/retry").json()["status"] == "pending"
    assert pair.wait_for_text(job)
    again = pair.events(job, after=len(told))
    assert [number for number, _ in again] == list(range(len(told) + 1, len(told) + len(again) + 1))
    assert (again[0][1], again[-1][1]) == ("retried", "completed")


def test_a_deleted_job_is_gone_with_its_audio(pair: Running) -> None:
    job = pair.create(wait=60).json()["id"]
    assert pair.api.delete(f"/v1/transcriptions/{job}").status_code == 204
    assert pair.api.get(f"/v1/transcriptions/{job}").status_code == 404
    eventually(lambda: pair.stored(job) == [], what="its audio is removed")


def test_one_key_makes_one_job(pair: Running) -> None:
    key = {"Idempotency-Key": "the same"}
    first = pair.create(headers=key)
    again = pair.create(wait=60, headers=key)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    with pair.long.open("rb") as file:
        other = pair.api.post("/v1/transcriptions", files={"file": ("short.wav", file)}, data=PLAIN, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")


def test_too_many_that_wait_are_refused_until_there_is_room(pair: Running) -> None:
    pair.take(2)
    jobs = []
    while (answer := pair.create()).status_code == 202:
        jobs.append(answer.json()["id"])
        assert len(jobs) <= 2 * MAX_QUEUED + 2, "nothing is refused"
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
    assert int(answer.headers["retry-after"]) >= 1
    assert len(jobs) >= MAX_QUEUED
    pair.take(0)
    assert {pair.wait_for_text(job) for job in jobs} == {pair.text}
    assert pair.create(wait=60).status_code == 200


def test_a_worker_that_is_killed_goes_on_where_it_was(pair: Running) -> None:
    pair.take(0.5)
    earlier = len(pair.api.engine_log())
    job = pair.api.submit(pair.long, **PLAIN)
    pair.wait_until_it_runs(job)
    pair.worker.kill()
    done = len(pair.api.engine_log())
    pair.take(0)
    pair.worker.start()
    text = pair.wait_for_text(job)
    log = pair.api.engine_log()
    again = [line for line in log[done:] if line in log[earlier:done] and line in text]
    assert len(again) <= 1, "committed windows were done again"
    told = pair.events(job)
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert [type for _, type in told].count("started") == 2
    assert [type for _, type in told if type in ("completed", "failed", "cancelled")] == ["completed"]
    assert pair.wait_for_text(pair.api.submit(pair.long, **PLAIN)) == text
