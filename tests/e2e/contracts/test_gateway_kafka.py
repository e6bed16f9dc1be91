"""The gateway's contract with its broker, seen with Kafka's own console consumer and kcat."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.kafka import Broker, broker
from tests.needs import need
from tests.service import Service, eventually, service

TALK = Path(__file__).parents[3] / "src" / "dictograph" / "samples" / "count.wav"


@pytest.fixture(scope="module")
def topic() -> str:
    return f"audio-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, kafka_broker: Broker, topic: str) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("gateway")
    with service(
        folder,
        profile="gateway",
        listen="gateway@127.0.0.1:0,gateway@127.0.0.1:0",
        queue_url=f"kafka://{kafka_broker.servers}",
        gateway_topic=topic,
        gateway_group=f"group-{topic}",
        gateway_model="",
        storage_url=folder / "audio",
    ) as up:
        yield up.wait_until_up()


def upload(one: Service, name: str = "talk.wav") -> str:
    answer = one.post("/upload", files={"file": (name, TALK.read_bytes())})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["request_id"])


def ended(one: Service, request_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        shape: dict[str, Any] = one.get(f"/status/{request_id}").json()
        return shape if "result" in shape or "error" in shape else None

    return eventually(look)


def put(broker: Broker, topic: str, value: str, *more: str) -> None:
    """As an old gateway, or anybody, puts a message there: by kcat."""
    command = [need("kcat"), "-b", broker.servers, "-P", "-t", topic, *more]
    subprocess.run(command, input=value, encoding="utf-8", check=True, timeout=60)


@pytest.mark.contract("gateway", "GET /health", "connected, with a topic that was made at the start")
def test_health_has_the_word_for_the_broker_and_the_log_its_lines(
    one: Service, kafka_broker: Broker, topic: str
) -> None:
    eventually(lambda: one.get("/health").json()["kafka"] == "connected")
    servers = kafka_broker.servers
    for line in (f"Kafka Producer connected to {servers}", f"Kafka Consumer connected to topic: {topic}"):
        eventually(lambda line=line: line in one.words_of_log(), what=line)  # type: ignore[misc] # bound in the loop on purpose


@pytest.mark.contract("gateway", "Topic", "one JSON message for each upload, seen with Kafka's console consumer")
def test_each_upload_puts_one_message_on_the_topic(one: Service, kafka_broker: Broker, topic: str) -> None:
    ids = [upload(one), upload(one, "Grüße.wav")]
    words = ("--topic", topic, "--from-beginning", "--max-messages", "2", "--formatter-property", "print.key=true")
    command = kafka_broker.console("org.apache.kafka.tools.consumer.ConsoleConsumer", *words)
    seen = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=120).stdout
    found = dict(line.split("\t", 1) for line in seen.splitlines() if "\t" in line)
    assert sorted(found) == sorted(ids)
    message = json.loads(found[ids[1]])
    assert set(message) == {"file_path", "original_filename", "request_id", "timestamp", "file_size_bytes"}
    assert (message["original_filename"], message["request_id"]) == ("Grüße.wav", ids[1])
    assert message["file_size_bytes"] == TALK.stat().st_size
    assert Path(message["file_path"]).read_bytes() == TALK.read_bytes()
    for request_id in ids:
        assert ended(one, request_id)["result"]["transcription"]
    assert one.rows("SELECT count(*) FROM transcription_job") == [(2,)], "our own messages make no second job"


@pytest.mark.contract("gateway", "Topic", "a message of an old gateway becomes a job, and its file goes")
def test_a_message_of_an_old_gateway_is_taken_as_a_job(one: Service, kafka_broker: Broker, topic: str) -> None:
    old, request_id = one.folder / "audio" / "old talk.wav", str(uuid4())
    eventually(lambda: old.parent.is_dir())
    shutil.copy(TALK, old)
    # A relative path starts at the working folder.
    message = {"file_path": "audio/old talk.wav", "original_filename": "Old.wav", "request_id": request_id}
    for _ in range(2):
        put(kafka_broker, topic, json.dumps(message))
    assert ended(one, request_id)["result"]["transcription"]
    eventually(lambda: not old.exists())
    found = one.rows("SELECT filename, contract FROM transcription_job WHERE id = ?", request_id)
    assert found == [("Old.wav", "gateway")]


@pytest.mark.contract(
    "gateway", "Topic", "what lies elsewhere, belongs to another database or is no message is left alone"
)
def test_a_message_gives_nobody_a_file_that_lies_elsewhere(one: Service, kafka_broker: Broker, topic: str) -> None:
    elsewhere, request_id, last = one.folder / "secret.wav", str(uuid4()), str(uuid4())
    shutil.copy(TALK, elsewhere)
    put(kafka_broker, topic, "no JSON")
    put(kafka_broker, topic, json.dumps({"request_id": request_id}))
    put(kafka_broker, topic, "{}", "-H", "dictograph-database=another")
    for path, id in ((elsewhere, request_id), (one.folder / "audio" / "missing.wav", last)):
        put(kafka_broker, topic, json.dumps({"file_path": str(path), "request_id": id}))
    for id in (request_id, last):
        assert "error" in ended(one, id)
    assert elsewhere.exists()
    log = one.words_of_log()
    assert "left alone, its job is in another database" in log
    assert "it is no JSON" in log
    assert one.running


@pytest.mark.contract("gateway", "Topic", "a kill between a job's row and its message's offset makes no second job")
def test_a_message_that_comes_again_after_a_kill_meets_its_row(tmp_path: Path, kafka_broker: Broker) -> None:
    topic, request_id = f"audio-{uuid4().hex[:12]}", str(uuid4())
    settings = {
        "profile": "gateway",
        "listen": "gateway@127.0.0.1:0",
        "queue_url": f"kafka://{kafka_broker.servers}",
        "gateway_topic": topic,
        "gateway_group": topic,
        "gateway_model": "",
        "storage_url": tmp_path / "audio",
    }
    with service(tmp_path, crash_at="offset.committing", **settings) as one:
        one.wait_until_up()
        shutil.copy(TALK, tmp_path / "audio" / "old.wav")
        eventually(lambda: health(one) == "connected")
        put(kafka_broker, topic, json.dumps({"file_path": "audio/old.wav", "request_id": request_id}))
        eventually(lambda: one.was_killed)
        one.start(crash_at="").wait_until_up()
        assert ended(one, request_id)["result"]["transcription"]
        last = upload(one)
        eventually(lambda: seen(kafka_broker, topic)[-1:] == [last])
        assert ended(one, last)["result"]["transcription"]
        assert one.rows("SELECT count(*) FROM transcription_job") == [(2,)]


@pytest.mark.contract(
    "gateway", "GET /health", "true within 5 s, never slower than 2 s, whatever becomes of the broker"
)
@pytest.mark.contract("gateway", "POST /upload", "accepted while the broker is away; its message goes out later")
def test_uploads_are_accepted_while_the_broker_is_away(tmp_path: Path) -> None:
    """It is not there at the start, comes, and is killed."""
    with (
        broker(started=False) as late,
        service(
            tmp_path,
            profile="gateway",
            listen="gateway@127.0.0.1:0",
            queue_url=f"kafka://{late.servers}",
            gateway_model="",
        ) as one,
    ):
        one.wait_until_up()
        first = upload(one)
        assert ended(one, first)["result"]["transcription"]
        assert health(one) == "disconnected"
        told = f"Failed to connect to Kafka at {late.servers}: no broker answers"
        eventually(lambda: told in one.words_of_log())
        late.start()
        eventually(lambda: health(one) == "connected")
        eventually(lambda: seen(late, "audio-transcription") == [first])
        late.kill()
        killed = time.monotonic()
        eventually(lambda: health(one) == "disconnected", longest=0.2)
        assert time.monotonic() - killed < 5
        second = upload(one)
        assert ended(one, second)["result"]["transcription"]
        assert one.words_of_log().count(told) < 10, "once, then seldom"


def health(one: Service) -> str:
    began = time.monotonic()
    word = str(one.get("/health").json()["kafka"])
    assert time.monotonic() - began < 2
    return word


def seen(broker: Broker, topic: str) -> list[str]:
    """The keys of all messages of a topic."""
    command = [need("kcat"), "-b", broker.servers, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%k\n"]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False).stdout.split()
