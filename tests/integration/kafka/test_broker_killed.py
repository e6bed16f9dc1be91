"""A broker that is killed in the middle and comes back, and a topic that somebody deletes."""

from __future__ import annotations

import asyncio
import time

from dictograph.broker import Outgoing
from dictograph.kafka.connection import Connection
from dictograph.kafka.producer import Producer
from dictograph.kafka.topic_keeper import TopicKeeper
from dictograph.kafka.topics import Topics, TopicSpec
from tests.integration.kafka.clients import Recorder, committed, consuming, name, send, until
from tests.kafka import Broker

#: The most seconds until the next message is received, once the broker listens again. How long its own start takes
#: says more about the machine.
AGAIN_S = 30


def test_after_a_kill_messages_come_again_and_nothing_is_lost(own_kafka_broker: Broker) -> None:
    topic, group = own_kafka_broker.make_topic(name("jobs")), name("group")

    async def go() -> None:
        producer = Producer(Connection(own_kafka_broker.servers), 100_000)
        recorder = Recorder()
        async with consuming(own_kafka_broker, recorder, topic, group=group) as consumer:
            await send(own_kafka_broker, topic, b"before")
            await until(lambda: recorder.values == [b"before"] and consumer.joined)
            consumer.done(topic, 0, 0)
            await until(lambda: committed(own_kafka_broker, group, topic) == 1)
            await asyncio.to_thread(own_kafka_broker.kill)
            meanwhile = asyncio.create_task(producer.send([Outgoing(topic, None, b"meanwhile")]))
            await until(lambda: not consumer.joined and consumer.trouble)
            await asyncio.to_thread(own_kafka_broker.start)
            up = time.monotonic()
            (word,) = await meanwhile
            if word.error:  # its start took longer than a message waits: the relay sends it again
                await send(own_kafka_broker, topic, b"meanwhile")
            await until(lambda: b"meanwhile" in recorder.values)
            assert time.monotonic() - up < AGAIN_S
            await until(lambda: consumer.joined and consumer.trouble is None)
            consumer.done(topic, 0, recorder.messages[-1].offset)
            await until(lambda: committed(own_kafka_broker, group, topic) == recorder.messages[-1].offset + 1)
        await producer.close()

    asyncio.run(go())


def test_a_consumer_that_is_started_before_its_broker_gets_all(own_kafka_broker: Broker) -> None:
    """As when a whole machine starts: nobody may have to be started again."""
    topic = own_kafka_broker.make_topic(name("jobs"))

    async def go() -> None:
        await send(own_kafka_broker, topic, b"x")
        await asyncio.to_thread(own_kafka_broker.kill)
        recorder = Recorder()
        async with consuming(own_kafka_broker, recorder, topic, group=name("group")) as consumer:
            await until(lambda: "no broker answers" in (consumer.trouble or ""))
            await asyncio.to_thread(own_kafka_broker.start)
            await until(lambda: recorder.values == [b"x"])

    asyncio.run(go())


def test_a_topic_that_is_deleted_is_made_again_and_received_from_its_beginning(own_kafka_broker: Broker) -> None:
    topic, group = name("jobs"), name("group")
    connection = Connection(own_kafka_broker.servers)

    async def wanted() -> list[TopicSpec]:
        return [TopicSpec(topic)]

    async def go() -> None:
        producer = Producer(connection, 2_000_000)
        keeping = asyncio.create_task(TopicKeeper(Topics(connection), producer, wanted).run())
        recorder = Recorder()
        async with consuming(own_kafka_broker, recorder, topic, group=group) as consumer:
            await until(lambda: consumer.joined)
            await until(lambda: producer.max_bytes == 1048588, what="what the topic takes is known")
            await send(own_kafka_broker, topic, b"a", b"b", b"c")
            await until(lambda: len(recorder.messages) == 3)
            for offset in range(3):
                consumer.done(topic, 0, offset)
            await until(lambda: committed(own_kafka_broker, group, topic) == 3)
            await asyncio.to_thread(Topics(connection).delete, topic)
            await until(lambda: topic in Topics(connection).names(), what="it is there again")
            await send(own_kafka_broker, topic, b"d", b"e")
            await until(lambda: recorder.values[3:] == [b"d", b"e"])
        keeping.cancel()
        await producer.close()

    asyncio.run(go())
