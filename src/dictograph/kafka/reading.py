"""Read a topic from its beginning, for a person. No group remembers it."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dictograph.broker import Incoming
from dictograph.errors import BrokerUnavailable
from dictograph.kafka import reasons
from dictograph.kafka.connection import Connection, client, library
from dictograph.kafka.messages import incoming
from dictograph.kafka.topics import Topics


def read(connection: Connection, topic: str, most: int, patience: float) -> Iterator[Incoming]:
    """Yield the messages of a topic, at most `most`, until none has come for `patience` seconds. Raises
    BrokerUnavailable."""
    if topic not in Topics(connection).names():
        raise BrokerUnavailable(f"There is no topic {topic} at {connection.servers}.")
    settings = {**connection.settings(), "group.id": "dictograph-readers", "enable.auto.commit": False}
    reader = client("Consumer", settings)
    try:
        make, beginning = library().TopicPartition, library().OFFSET_BEGINNING
        numbers = reader.list_topics(timeout=10).topics[topic].partitions
        reader.assign([make(topic, number, beginning) for number in numbers])
        last = time.monotonic()
        while most and time.monotonic() - last < patience:
            message = reader.poll(0.2)
            if message is None or message.error() is not None:
                continue
            yield incoming(message)
            most, last = most - 1, time.monotonic()
    except library().KafkaException as error:
        raise BrokerUnavailable(f"{topic} cannot be read: {reasons.of(error)}.") from error
    finally:
        reader.close()
