"""Contract K's clients: what they put on a topic of jobs, and what they read of results and dead letters."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from scripts.machine import free_port
from tests.integration.kafka.clients import committed
from tests.kafka import Broker
from tests.unit.stt import jobs


def value(**values: Any) -> bytes:
    """A job; its language is found, since the engine of these tests knows one."""
    return jobs.value(languageHint=None, **values)


class Field:
    """The topics of a test, and what its clients put there and read."""

    def __init__(self, broker: Broker, partitions: int = 1) -> None:
        self.broker = broker
        self.name = uuid4().hex[:12]
        self.jobs, self.results, self.letters = (f"{kind}-{self.name}" for kind in ("jobs", "results", "dlq"))
        self.group = f"group-{self.name}"
        self.partitions = partitions
        broker.make_topic(self.jobs, partitions)
        for topic in (self.results, self.letters):
            broker.make_topic(topic)
        self._seen: dict[str, list[Any]] = {self.results: [], self.letters: []}
        self._reader: Any = None

    def settings(self, audio: str, **more: object) -> dict[str, Any]:
        """The settings of a worker that fetches `audio`, the URL of a server."""
        return {
            "queue_url": f"kafka://{self.broker.servers}",
            "stt_jobs_topic": self.jobs,
            "stt_results_topic": self.results,
            "stt_dead_letter_topic": self.letters,
            "stt_group": self.group,
            "stt_backoff_base": "10ms",
            "fetch_allow": audio.removeprefix("http://"),
            "listen": "",
            "profile": "stt-worker",
            "worker_listen": f"127.0.0.1:{free_port()}",
            **more,
        }

    def put(self, *values: bytes | None, **headers: bytes) -> None:
        """Publish, as a client of librdkafka does without any setting; with several partitions, by the job's id."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.broker.servers, "log_level": 0})
        for one in values:
            key = json.loads(one or b"{}")["jobId"] if self.partitions > 1 else "key"
            producer.produce(self.jobs, value=one, key=key.encode(), headers=dict(headers))
        assert producer.flush(60) == 0

    def read(self, topic: str) -> list[Any]:
        """All messages of a topic so far."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        if self._reader is None:
            self._reader = Consumer({"bootstrap.servers": self.broker.servers, "group.id": "none", "log_level": 0})
            self._reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING) for name in self._seen])
        while batch := self._reader.consume(500, 0.1):
            for message in batch:
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

    def all_is_committed(self) -> bool:
        """Whether every message of the topic of jobs is done."""
        return all(self._is_committed(number) for number in range(self.partitions))

    def _is_committed(self, partition: int) -> bool:
        from confluent_kafka import Consumer, TopicPartition

        reader = Consumer({"bootstrap.servers": self.broker.servers, "group.id": "none", "log_level": 0})
        _, end = reader.get_watermark_offsets(TopicPartition(self.jobs, partition), timeout=60)
        reader.close()
        return end == 0 or committed(self.broker, self.group, self.jobs, partition) == end
