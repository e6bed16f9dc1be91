"""Consumers and producers for tests, each on topics and groups of a test's own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dictograph.broker import Incoming, Outgoing, Partition
from dictograph.kafka.connection import Connection
from dictograph.kafka.consumer import Consumer
from dictograph.kafka.producer import Producer
from dictograph.kafka.subscription import Subscription
from dictograph.runtime.crash import CrashPoints
from tests.kafka import Broker


@dataclass
class Recorder:
    """A receiver that remembers. `when_received` is awaited with each batch."""

    when_received: Callable[[Sequence[Incoming]], Awaitable[None]] | None = None
    messages: list[Incoming] = field(default_factory=list)
    revoked_partitions: list[Partition] = field(default_factory=list)
    lost_partitions: list[Partition] = field(default_factory=list)
    when_revoked: Callable[[Collection[Partition]], None] = lambda _: None

    async def received(self, messages: Sequence[Incoming]) -> None:
        self.messages += messages
        if self.when_received is not None:
            await self.when_received(messages)

    async def revoked(self, partitions: Collection[Partition]) -> None:
        self.when_revoked(partitions)
        self.revoked_partitions += partitions

    async def lost(self, partitions: Collection[Partition]) -> None:
        self.lost_partitions += partitions

    @property
    def values(self) -> list[bytes | None]:
        return [message.value for message in self.messages]


def name(kind: str) -> str:
    """A name that no other test has."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


@asynccontextmanager
async def consuming(
    connection: Connection | Broker, receiver: Any, *topics: str, group: str, **more: Any
) -> AsyncIterator[Consumer]:
    """A consumer that runs, and leaves its group in good order."""
    if isinstance(connection, Broker):
        connection = Connection(connection.servers)
    consumer = Consumer(connection, Subscription(group, topics, **more), receiver, CrashPoints())
    task = asyncio.create_task(consumer.run())
    try:
        yield consumer
    finally:
        task.cancel()
        await asyncio.wait([task])


async def send(broker: Broker, topic: str, *values: bytes | None, key: bytes | None = b"k") -> None:
    """Send messages, and wait until they are there."""
    producer = Producer(Connection(broker.servers), 1_000_000)
    results = await producer.send([Outgoing(topic, key, value) for value in values])
    assert [result.error for result in results] == [None] * len(values)
    await producer.close()


async def until(query: Callable[[], Any], seconds: float = 90, what: str = "") -> None:
    """Wait until the answer is true; fails after `seconds`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not query():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds} s: {what or query}"
        await asyncio.sleep(0.02)


def committed(broker: Broker, group: str, topic: str, partition: int = 0) -> int:
    """The offset that the group has committed; -1001 for none."""
    from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
    admin = broker.admin()  # its answers never come once it is gone
    told = admin.list_consumer_group_offsets([asked])[group].result(60)
    return int(told.topic_partitions[0].offset)
