"""The parts of a process whose queue is on Kafka: how workers are woken, and who keeps the topics there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dictograph.kafka_setup import connection_of, contract_topics, wake_topic
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.storage_marks import STORAGE, mark_of

if TYPE_CHECKING:
    from dictograph.kafka.producer import Producer
    from dictograph.kafka.topics import TopicSpec
    from dictograph.queue import Queue
    from dictograph.worker.agent import Agent


def wake_queue(settings: Settings, database: Database, producer: Producer | None) -> Queue:
    """Return the queue that wakes workers through Kafka."""
    from dictograph.queue.kafka import KafkaQueue

    assert producer is not None, "a queue on Kafka has a producer"

    async def topic() -> str:
        return (await _wake_topic(settings, database)).name

    return KafkaQueue(database, connection_of(settings), producer, topic)


def kafka_agents(settings: Settings, database: Database, producer: Producer | None) -> list[Agent]:
    """Return the agents of a process with a producer; none without."""
    if producer is None:
        return []
    from dictograph.kafka.topic_keeper import TopicKeeper
    from dictograph.kafka.topics import Topics

    async def wanted() -> Sequence[TopicSpec]:
        return [await _wake_topic(settings, database), *contract_topics(settings)]

    return [TopicKeeper(Topics(connection_of(settings)), producer, wanted)]


async def _wake_topic(settings: Settings, database: Database) -> TopicSpec:
    if settings.kafka_wake_topic:
        return wake_topic(settings, "")
    mark = await database.read(lambda c: mark_of(c, STORAGE))
    return wake_topic(settings, mark.identity)
