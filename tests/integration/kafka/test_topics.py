"""Topics: made when they are missing, left alone when they are there; what operators type about them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dictograph import kafka_setup
from dictograph.cli.doctor import kafka_checks
from dictograph.cli.doctor.findings import Result as Found
from dictograph.cli.doctor.findings import Verdict
from dictograph.cli.main import cli
from dictograph.errors import BrokerUnavailable
from dictograph.kafka.connection import Connection
from dictograph.kafka.probe import PATIENCE_S, Probe, Word
from dictograph.kafka.topics import Made, Topics, TopicSpec
from dictograph.kafka_setup import ensure_topic, setup_all
from dictograph.settings.loading import load
from tests.integration.kafka.clients import name
from tests.kafka import BOB, PASSWORDS, Broker


def test_what_is_missing_is_made_as_asked_and_what_is_there_stays(kafka_broker: Broker) -> None:
    topics, new, old = Topics(Connection(kafka_broker.servers)), name("new"), kafka_broker.make_topic(name("old"))
    specs = [TopicSpec(new, partitions=3, retention_s=7200), TopicSpec(old, partitions=7)]
    assert topics.ensure(specs) == {new: Made.CREATED, old: Made.EXISTS}
    assert topics.ensure(specs) == {new: Made.EXISTS, old: Made.EXISTS}
    known = kafka_broker.admin().list_topics(timeout=60).topics
    assert (len(known[new].partitions), len(known[old].partitions)) == (3, 1)
    assert topics.largest_message([new, old]) == 1048588
    topics.delete(new)
    assert new not in topics.names()


def test_who_may_not_is_told_why(kafka_broker: Broker) -> None:
    bob = Connection(f"127.0.0.1:{kafka_broker.sasl_port}", mechanism="PLAIN", user=BOB, password=PASSWORDS[BOB])
    with pytest.raises(BrokerUnavailable, match="refuses: the user has no right on the"):
        Topics(bob).ensure([TopicSpec(name("new"))])
    nobody = Connection(bob.servers, mechanism="PLAIN", user=BOB, password="mistaken")
    with pytest.raises(BrokerUnavailable, match="the broker refuses the user or the password"):
        Topics(nobody, 5).names()
    with pytest.raises(BrokerUnavailable, match=r"Failed to connect to Kafka at 127\.0\.0\.1:1: no broker answers"):
        Topics(Connection("127.0.0.1:1"), PATIENCE_S).names()


def test_the_three_words_of_a_probe(kafka_broker: Broker) -> None:
    there, connection = kafka_broker.make_topic(name("there")), Connection(kafka_broker.servers)
    assert Probe(Topics(connection), there)._look() is Word.CONNECTED
    assert Probe(Topics(connection), name("missing"))._look() is Word.TOPIC_NOT_FOUND
    assert Probe(Topics(Connection("127.0.0.1:1"), PATIENCE_S), there)._look() is Word.DISCONNECTED


@pytest.fixture
def topic(kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A topic's name for the commands, which find broker and data folder in their environment."""
    found = name("audio")
    monkeypatch.setenv("DICTOGRAPH_QUEUE_URL", f"kafka://{kafka_broker.servers}")
    monkeypatch.setenv("DICTOGRAPH_GATEWAY_TOPIC", found)
    monkeypatch.setenv("DICTOGRAPH_DATA_DIR", str(tmp_path / "data"))
    return found


def command(*words: str) -> Result:
    return CliRunner().invoke(cli, ["topics", *words], catch_exceptions=False)


def test_the_commands(topic: str) -> None:
    assert f"Topic '{topic}' created" in command("create", "--profile", "gateway").stderr
    assert f"Topic '{topic}' already exists" in command("create", "--all", "--profile", "gateway").stderr
    names = json.loads(command("list", "--json").stdout)
    assert {topic, f"{topic}-results", f"{topic}-errors"} <= set(names)
    assert "Connected to" in command("test", "--profile", "gateway").stdout
    assert command("delete", "--yes", topic).stdout == f"Topic '{topic}' deleted\n"
    assert f"Not there yet: {topic} " in command("test", "--profile", "gateway").stdout


def test_the_configuration_is_shown_without_secrets(topic: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICTOGRAPH_KAFKA_SASL", "PLAIN")
    monkeypatch.setenv("DICTOGRAPH_KAFKA_USER", "alice")
    monkeypatch.setenv("DICTOGRAPH_KAFKA_PASSWORD", "hush")
    shown = command("show-config", "--profile", "gateway").stdout
    assert "sasl.username = alice\n" in shown
    assert "sasl.password = ***\n" in shown
    assert f"topics = {topic}\n" in shown
    assert "hush" not in shown


def test_from_python_true_says_that_all_is_there(topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ensure_topic()
    assert ensure_topic(), "it exists, which is no error"
    assert setup_all()
    assert (tmp_path / "data").is_dir()
    monkeypatch.setattr(kafka_setup, "Topics", partial(Topics, patience=1))
    assert not ensure_topic(queue_url="kafka://127.0.0.1:1")


def test_a_job_is_published_and_results_are_printed(
    kafka_broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = kafka_broker.make_topic(name("jobs"))
    monkeypatch.setenv("DICTOGRAPH_STT_JOBS_TOPIC", jobs)
    monkeypatch.setenv("DICTOGRAPH_STT_RESULTS_TOPIC", jobs)  # so that what was published is what is printed
    words = ("kafka", "produce", "--audio-url", "https://example.org/a.mp3")
    published = [CliRunner().invoke(cli, [*words, "--job-id", id], catch_exceptions=False) for id in ("one", "two")]
    assert [result.stdout for result in published] == ["one\n", "two\n"]
    printed = CliRunner().invoke(cli, ["kafka", "results", "--max-messages", "2"], catch_exceptions=False).stdout
    job, _ = map(json.loads, printed.splitlines())
    assert (job["jobId"], job["audioUrl"], job["languageHint"]) == ("one", "https://example.org/a.mp3", None)
    assert set(job) == {"jobId", "taskId", "audioUrl", "languageHint", "createdAt", "correlationId"}


def test_doctor_names_what_is_wrong_with_the_broker(
    kafka_broker: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(**more: Any) -> Found:
        return kafka_checks.kafka(load({"profile": "gateway", **more}).settings)

    verdict, told, _ = found()
    assert (verdict, told) == (Verdict.WARN, f"connected to {kafka_broker.servers}; not there yet: {topic}")
    assert ensure_topic()
    assert found()[0] is Verdict.OK
    sasl = {"queue_url": f"kafka://127.0.0.1:{kafka_broker.sasl_port}", "kafka_sasl": "PLAIN", "kafka_user": BOB}
    verdict, told, _ = found(**sasl, kafka_password="mistaken")
    assert verdict is Verdict.FAIL
    assert "the broker refuses the user or the password" in told
    verdict, told, _ = found(**sasl, kafka_password=PASSWORDS[BOB])
    assert verdict is Verdict.FAIL
    assert f"topic {topic}: the user has no right" in told
    assert f"group {load({}).settings.gateway_group}: the user has no right" in told
    assert kafka_checks.kafka(load({"queue_url": "database:"}).settings)[:2] == (Verdict.OK, "not used")
