"""What a sender of contract K notices is the same on each database and storage.

One worker is started for all tests on a combination. Each test has jobs of its own, on topics that they share.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.combinations import Combination, shared_servers
from tests.e2e.contracts import spoken
from tests.service import Service, eventually
from tests.stt_field import Field, value
from tests.web_folder import served

COMBINATIONS = [
    Combination("sqlite", "kafka", "folder"),
    Combination("sqlite", "kafka", "s3"),
    Combination("postgresql", "kafka", "s3"),
]

#: So many messages that are no jobs come one after the other.
POISON = 200


@dataclass(slots=True)
class Running:
    """A worker, its topics, and the URL of recordings; anything else there is not found."""

    worker: Service
    field: Field
    audio: str

    @property
    def probes(self) -> str:
        return f"http://{self.worker.settings['worker_listen']}"

    def results(self, job: str, count: int = 1) -> list[dict[str, Any]]:
        """The results of a job, once there are so many."""
        return eventually(
            lambda: found if len(found := self.field.answers(self.field.results)[job]) >= count else None,
            120, f"job {job} has no {count} results: {self.worker.log}",
        )  # fmt: skip

    def letters(self, key: str) -> list[dict[str, Any]]:
        return self.field.answers(self.field.letters)[key]

    def times(self, topic: str, key: str) -> list[int]:
        """When the messages with this key were sent."""
        return [one.timestamp()[1] for one in self.field.read(topic) if one.key() == key.encode()]


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("audio")
    spoken.short(folder, seed=1)[0].rename(folder / "short.wav")
    spoken.long(folder, seed=2, windows=2).rename(folder / "long.wav")
    (folder / "text.mp3").write_text("no audio")
    with served(folder) as url:
        yield url


@pytest.fixture(scope="module", params=COMBINATIONS, ids=str)
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, audio: str) -> Iterator[Running]:
    """A worker on the combination."""
    servers = shared_servers(request.param, request)
    assert servers.broker is not None
    field = Field(servers.broker)
    folder: Path = tmp_path_factory.mktemp(str(request.param))
    worker = Service(folder, "worker", **{**servers.settings(), **field.settings(audio)})
    try:
        yield Running(worker.start(), field, audio)
    finally:
        if worker.running:
            assert worker.stop() == 0


@pytest.mark.contract(
    "stt-worker", "jobs, results, dead letters", "one result for each `jobId`, however often it is published"
)
def test_a_job_that_is_published_again_has_one_result(one: Running) -> None:
    good = {"jobId": "good", "audioUrl": f"{one.audio}/short.wav"}
    again = value(**good, createdAt=5, correlationId=None)
    one.field.put(value(**good), again, again)
    [result] = one.results("good")
    assert (result["status"], result["taskId"], result["correlationId"]) == ("COMPLETED", "t-1", "c-1")
    assert (result["errorCode"], result["errorMessage"]) == (None, None)
    assert result["transcriptText"]
    one.field.put(again, value(**{**good, "audioUrl": f"{one.audio}/long.wav"}))
    eventually(lambda: [letter["errorCode"] for letter in one.letters("good")] == ["JOB_ID_REUSED"], what="a letter")
    eventually(one.field.all_is_committed)
    assert len(one.results("good")) == 1


@pytest.mark.contract("stt-worker", "jobs, results, dead letters", "a dead letter, then one FAILED result")
@pytest.mark.parametrize(("file", "code"), [("gone.wav", "DOWNLOAD_FAILED"), ("text.mp3", "UNSUPPORTED_FORMAT")])
def test_a_job_that_fails_has_a_dead_letter_and_then_a_result(one: Running, file: str, code: str) -> None:
    one.field.put(value(jobId=file, audioUrl=f"{one.audio}/{file}"), attempt=b"1", traceparent=b"00-1-2-01")
    [result] = one.results(file)
    assert (result["status"], result["errorCode"], result["transcriptText"]) == ("FAILED", code, None)
    [letter] = one.letters(file)
    assert (letter["errorCode"], letter["failureStage"], letter["attempt"]) == (code, "DOWNLOAD", 1)
    assert letter["job"]["jobId"] == file
    assert one.times(one.field.letters, file) <= one.times(one.field.results, file)


@pytest.mark.contract(
    "stt-worker", "poison messages", "one dead letter each, in their order; the next good job is done"
)
def test_what_is_no_job_is_a_dead_letter_each_in_order_and_the_next_job_is_done(one: Running) -> None:
    one.field.read(one.field.letters)
    poison = [b'{"jobId": "no job %d"}' % number for number in range(POISON)]
    one.field.put(None, *poison, poison[0], value(jobId="after", audioUrl=f"{one.audio}/short.wav"))
    assert [result["status"] for result in one.results("after")] == ["COMPLETED"]

    def places() -> list[int]:
        letters = [json.loads(message.value()) for message in one.field.read(one.field.letters)]
        return [letter["originalOffset"] for letter in letters if letter["errorCode"] == "INVALID_PAYLOAD"]

    found = eventually(lambda: found if len(found := places()) >= POISON else None, what="all letters")
    assert found == list(range(found[0], found[0] + POISON))
    eventually(one.field.all_is_committed)


@pytest.mark.contract("stt-worker", "a worker that is killed", "its jobs go on; one message id for each job")
def test_a_worker_that_is_killed_answers_once(one: Running) -> None:
    one.worker.behave(delay=1, max_batch=1)
    before = len(one.worker.engine_log())
    one.field.put(value(jobId="long", audioUrl=f"{one.audio}/long.wav"))
    eventually(lambda: len(one.worker.engine_log()) > before, 120, "the job is in the middle")
    one.worker.kill()
    one.worker.behave()
    one.worker.start()
    assert [result["status"] for result in one.results("long")] == ["COMPLETED"]
    eventually(one.field.all_is_committed)
    assert len(one.field.ids(one.field.results)["long"]) == 1
    assert one.letters("long") == []


@pytest.mark.contract("stt-worker", "HEALTH_PORT, METRICS_PORT", "ready when the group is joined; the five figures")
def test_probes_and_figures(one: Running) -> None:
    eventually(lambda: httpx.get(f"{one.probes}/readyz").status_code == 200, what="it is ready")
    assert any(one.field.group in str(state) for (state,) in one.worker.rows("SELECT state FROM worker"))
    figures = httpx.get(f"{one.probes}/metrics").text
    for name in ("stt_jobs_total", "stt_failures_total", "stt_download_seconds", "stt_transcribe_seconds"):
        assert name in figures
    assert 'stt_jobs_total{status="completed"}' in figures
