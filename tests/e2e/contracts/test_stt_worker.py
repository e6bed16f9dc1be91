"""Contract K with a real broker: jobs go in, results and dead letters come out, offsets are committed when it says."""

from __future__ import annotations

import json
import shutil
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from scripts.machine import free_port
from tests.e2e.contracts import spoken
from tests.integration.kafka.clients import committed
from tests.kafka import Broker
from tests.postgres import Cluster
from tests.service import Service, eventually
from tests.unit.stt import jobs


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a folder with recordings; anything else there is not found."""
    folder = tmp_path_factory.mktemp("audio")
    spoken.short(folder, seed=1)[0].rename(folder / "short.wav")
    spoken.long(folder, seed=2, windows=2).rename(folder / "long.wav")
    (folder / "text.mp3").write_text("no audio")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def value(**values: Any) -> bytes:
    """A job; its language is found, since the engine of these tests knows one."""
    return jobs.value(languageHint=None, **values)


class Field:
    """The topics of a test, and what its clients put there and read."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.name = uuid4().hex[:12]
        self.jobs, self.results, self.letters = (f"{kind}-{self.name}" for kind in ("jobs", "results", "dlq"))
        self._seen: dict[str, list[Any]] = {self.results: [], self.letters: []}
        self._reader: Any = None
        self.spread = False

    def settings(self, audio: str, **more: object) -> dict[str, Any]:
        return {
            "queue_url": f"kafka://{self.broker.servers}",
            "stt_jobs_topic": self.jobs,
            "stt_results_topic": self.results,
            "stt_dead_letter_topic": self.letters,
            "stt_group": f"group-{self.name}",
            "stt_backoff_base": "10ms",
            "fetch_allow": audio.removeprefix("http://"),
            "listen": "",
            "profile": "stt-worker",
            "worker_listen": f"127.0.0.1:{free_port()}",
            **more,
        }

    def put(self, *values: bytes | None, **headers: bytes) -> None:
        """Publish, as a client of librdkafka does without any setting."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.broker.servers, "log_level": 0})
        for one in values:
            key = json.loads(one or b"{}")["jobId"] if self.spread else "key"
            producer.produce(self.jobs, value=one, key=key.encode(), headers=dict(headers))
        assert producer.flush(60) == 0

    def read(self, topic: str) -> list[Any]:
        """All messages of a topic so far."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        if self._reader is None:
            self._reader = Consumer({"bootstrap.servers": self.broker.servers, "group.id": "none", "log_level": 0})
            self._reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING) for name in self._seen])
        for message in self._reader.consume(100, 0.5):
            if message.error() is None:
                self._seen[message.topic()].append(message)
        return self._seen[topic]

    def answers(self, topic: str) -> dict[str, list[dict[str, Any]]]:
        """The values of a topic, by the job that they are of."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for message in self.read(topic):
            found[(message.key() or b"").decode()].append(json.loads(message.value()))
        return found

    def ids(self, topic: str) -> Mapping[str, set[bytes]]:
        """The message ids of a topic, by the job that they are of."""
        found: dict[str, set[bytes]] = defaultdict(set)
        for message in self.read(topic):
            found[message.key().decode()].add(dict(message.headers())["message-id"])
        return found


@pytest.fixture
def field(kafka_broker: Broker) -> Field:
    field = Field(kafka_broker)
    for topic in (field.jobs, field.results, field.letters):
        kafka_broker.make_topic(topic)
    return field


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    cluster: Cluster = request.getfixturevalue("postgres")
    return {"database_url": cluster.new_database()}


@pytest.mark.contract(
    "stt-worker",
    "jobs, results, dead letters",
    "one result for each jobId, however often it is published; dead letters first; offsets as it says",
)
def test_jobs_go_in_and_answers_come_out(tmp_path: Path, field: Field, audio: str, database: dict[str, str]) -> None:
    probes = free_port()
    worker = Service(
        tmp_path, "worker", **field.settings(audio, worker_listen=f"127.0.0.1:{probes}", **database)
    ).start()
    base = f"http://127.0.0.1:{probes}"
    try:
        good = value(jobId="good", audioUrl=f"{audio}/short.wav")
        again = value(jobId="good", audioUrl=f"{audio}/short.wav", createdAt=5, correlationId=None)
        field.put(good, again, None, b"no job", again)
        field.put(value(jobId="good", audioUrl=f"{audio}/long.wav"))
        field.put(value(jobId="gone", audioUrl=f"{audio}/gone.wav"), traceparent=b"00-1-2-01")
        field.put(value(jobId="text", audioUrl=f"{audio}/text.mp3"), attempt=b"1")
        eventually(lambda: {"good", "gone", "text"} <= set(field.answers(field.results)), 120, str(worker.log))
        results = field.answers(field.results)
        assert {job: [one["status"] for one in mine] for job, mine in results.items()} == {
            "good": ["COMPLETED"],
            "gone": ["FAILED"],
            "text": ["FAILED"],
        }
        done = results["good"][0]
        assert (done["taskId"], done["correlationId"], done["errorCode"]) == ("t-1", "c-1", None)
        assert done["transcriptText"]
        assert results["gone"][0]["errorCode"] == "DOWNLOAD_FAILED"
        assert results["text"][0]["errorCode"] == "UNSUPPORTED_FORMAT"
        eventually(lambda: sum(map(len, field.answers(field.letters).values())) == 4)
        letters = field.answers(field.letters)
        assert {job: [one["errorCode"] for one in mine] for job, mine in letters.items()} == {
            "key": ["INVALID_PAYLOAD"],
            "good": ["JOB_ID_REUSED"],
            "gone": ["DOWNLOAD_FAILED"],
            "text": ["UNSUPPORTED_FORMAT"],
        }
        assert letters["text"][0]["attempt"] == 1
        eventually(lambda: committed(field.broker, f"group-{field.name}", field.jobs) == 8, what="all is committed")
        assert httpx.get(f"{base}/readyz").status_code == 200
        [(state,)] = worker.rows("SELECT state FROM worker")
        assert f"group-{field.name}" in str(state)
        metrics = httpx.get(f"{base}/metrics").text
        assert 'stt_jobs_total{status="completed"} 1' in metrics
        assert 'stt_failures_total{code="UNSUPPORTED_FORMAT"} 1' in metrics
    finally:
        worker.stop()


@pytest.mark.contract(
    "stt-worker", "embedded database", "a worker that is killed and whose data folder is deleted loses no job"
)
def test_a_worker_that_is_killed_and_whose_folder_is_deleted_loses_nothing(
    tmp_path: Path, field: Field, audio: str
) -> None:
    worker = Service(tmp_path, "worker", **field.settings(audio))
    worker.behave(delay=1, max_batch=1)
    names = [f"j-{n}" for n in range(4)]
    field.put(value(jobId=names[0], audioUrl=f"{audio}/long.wav"))
    field.put(*(value(jobId=name, audioUrl=f"{audio}/short.wav") for name in names[1:]))
    worker.start()
    try:
        eventually(lambda: len(worker.engine_log()) > 1, 120, "a job is in the middle")
        worker.kill()
        shutil.rmtree(worker.data)
        worker.behave()
        worker.start()
        eventually(lambda: set(field.answers(field.results)) == set(names), 180, str(worker.log))
        eventually(lambda: committed(field.broker, f"group-{field.name}", field.jobs) == len(names))
        assert {job: len(ids) for job, ids in field.ids(field.results).items()} == dict.fromkeys(names, 1)
        assert field.read(field.letters) == []
    finally:
        worker.stop()


@pytest.mark.contract("stt-worker", "consumer group", "a second worker takes over partitions; one message for each job")
def test_a_second_worker_joins_and_each_job_is_answered_once(tmp_path: Path, kafka_broker: Broker, audio: str) -> None:
    field = Field(kafka_broker)
    field.spread = True
    kafka_broker.make_topic(field.jobs, partitions=4)
    for topic in (field.results, field.letters):
        kafka_broker.make_topic(topic)
    names = [f"j-{n}" for n in range(12)]
    field.put(*(value(jobId=name, audioUrl=f"{audio}/short.wav") for name in names))
    workers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        workers.append(Service(tmp_path / name, "worker", **field.settings(audio)))
        workers[-1].behave(delay=1)
    try:
        workers[0].start()
        eventually(lambda: len(field.answers(field.results)) >= 2, 120, str(workers[0].log))
        workers[0].behave(delay=30)  # what is left is not done before the second one is there
        workers[1].start()
        eventually(lambda: _has_work(workers[1]), 180, "the second one gets no work")
        workers[0].behave()
        eventually(lambda: set(field.answers(field.results)) == set(names), 180, str(workers[1].log))
        assert {job: len(mine) for job, mine in field.answers(field.results).items()} == dict.fromkeys(names, 1)
        assert field.read(field.letters) == []
        for partition in range(4):
            eventually(lambda p=partition: _nothing_is_left(field, p))  # type: ignore[misc] # bound in the loop on purpose
    finally:
        for worker in workers:
            worker.stop()


def _has_work(worker: Service) -> bool:
    try:
        return bool(worker.rows("SELECT count(*) FROM intake")[0][0] > 0)
    except OperationalError:  # it has not made its database yet
        return False


def _nothing_is_left(field: Field, partition: int) -> bool:
    """All of the partition is committed."""
    from confluent_kafka import Consumer, TopicPartition

    reader = Consumer({"bootstrap.servers": field.broker.servers, "group.id": "none", "log_level": 0})
    _, end = reader.get_watermark_offsets(TopicPartition(field.jobs, partition), timeout=60)
    reader.close()
    return end == 0 or committed(field.broker, f"group-{field.name}", field.jobs, partition) == end
