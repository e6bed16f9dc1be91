"""Wake-ups through Kafka: every worker hears each, and none of them is worth anything."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from dictograph.errors import BrokerUnavailable
from dictograph.kafka.connection import Connection
from dictograph.kafka.producer import Producer
from dictograph.queue.kafka import KafkaQueue
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from tests.integration.kafka.clients import name
from tests.kafka import Broker


def queue(folder: Path, servers: str, topic: str) -> KafkaQueue:
    """As of a process with a database of its own, which so wakes nobody else."""
    url = f"sqlite:///{folder / name('db')}"
    upgrade(url)

    async def topic_name() -> str:
        return topic

    connection = Connection(servers)
    return KafkaQueue(Database.open(url), connection, Producer(connection, 100_000, delivery_s=3), topic_name)


def test_every_worker_hears_a_wake_up_at_once(kafka_broker: Broker, tmp_path: Path) -> None:
    topic = kafka_broker.make_topic(name("wake"))

    async def go() -> None:
        one, *others = (queue(tmp_path, kafka_broker.servers, topic) for _ in range(3))
        for other in others:
            await other.heard(0.01)
        await _listening(one, others)
        began = time.monotonic()
        waiting = asyncio.gather(*(other.heard(60) for other in others))
        await one.send("message", {})
        await waiting
        assert time.monotonic() - began < 5
        for each in (one, *others):
            await each.close()

    asyncio.run(go())


def test_without_a_broker_the_workers_of_this_process_are_woken_all_the_same(tmp_path: Path) -> None:
    async def go() -> None:
        alone = queue(tmp_path, "127.0.0.1:1", "wake")
        began = time.monotonic()
        sending = asyncio.create_task(alone.send("message", {}))
        await alone.heard(60)
        assert time.monotonic() - began < 10
        with pytest.raises(BrokerUnavailable):
            await sending
        await alone.close()

    asyncio.run(go())


async def _listening(sender: KafkaQueue, others: list[KafkaQueue]) -> None:
    """Wait until all hear: a wake-up from before they listened is lost, as it may be."""
    for other in others:
        async with asyncio.timeout(60):
            while True:
                began = time.monotonic()
                waiting = asyncio.create_task(other.heard(1))
                await sender.send("try", {})
                await waiting
                if time.monotonic() - began < 0.9:
                    break
