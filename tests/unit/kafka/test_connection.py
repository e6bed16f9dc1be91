"""Who does not use Kafka loads nothing of it; who lacks its library is told what to install; secrets stay hidden."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dictograph.errors import SettingsError
from dictograph.kafka.connection import Connection, client
from dictograph.kafka.producer import Producer
from dictograph.kafka.topics import Topics


def test_a_service_without_a_broker_loads_no_library_of_it() -> None:
    program = (
        "import asyncio, sys, tempfile\n"
        "from dictograph.bootstrap import open_application\n"
        "from dictograph.settings.loading import load\n"
        "async def go():\n"
        "    settings = load({'data_dir': tempfile.mkdtemp()}, {}).settings\n"
        "    async with open_application(settings, worker=False):\n"
        "        libraries = {'confluent_kafka', 'celery', 'kombu', 'redis', 'prometheus_client'}\n"
        "        parts = {'dictograph.parts.kafka_parts', 'dictograph.parts.redis_parts'}\n"
        "        print(sorted((libraries | parts) & sys.modules.keys()))\n"
        "asyncio.run(go())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "[]\n"


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(SettingsError, match=r'pip install "dictograph\[kafka\]"'):
        Topics(Connection("127.0.0.1:1")).names()


def test_what_cannot_be_set_is_told_in_words() -> None:
    with pytest.raises(SettingsError, match=r"ssl\.ca\.location"):
        client("Producer", {**Connection("a:1").settings(), "ssl.ca.location": "/missing", "security.protocol": "SSL"})


def test_secrets_are_shown_nowhere() -> None:
    connection = Connection(
        "a:1", tls=True, key_password="hush", mechanism="SCRAM-SHA-512", user="alice", password="hush"
    )
    assert connection.settings()["security.protocol"] == "SASL_SSL"
    assert connection.settings()["sasl.password"] == "hush"
    assert "hush" not in f"{connection!r} {connection.masked()}"
    assert connection.masked()["sasl.username"] == "alice"


def test_a_producer_takes_what_the_broker_takes() -> None:
    producer = Producer(Connection("a:1"), 1_000_000)
    producer.limit(5000)
    producer.limit(9000)
    assert producer.max_bytes == 5000
