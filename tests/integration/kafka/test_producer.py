"""A producer on a real broker: the word on each message, whatever becomes of the others."""

from __future__ import annotations

import asyncio

from dictograph.broker import Outgoing
from dictograph.kafka.connection import Connection
from dictograph.kafka.producer import Producer
from tests.integration.kafka.clients import Recorder, consuming, name, until
from tests.kafka import Broker


def test_each_message_has_its_own_word_and_the_rest_arrive_in_order(kafka_broker: Broker) -> None:
    topic = kafka_broker.make_topic(name("results"))
    small = kafka_broker.make_topic(name("small"), config={"max.message.bytes": "2000"})
    headers = (("attempt", b"0"), ("attempt", b"1"), ("message-id", "ü".encode()))

    async def go() -> None:
        producer = Producer(Connection(kafka_broker.servers), 100_000)
        many = [Outgoing(topic, b"k", str(number).encode(), headers) for number in range(1000)]
        bad = [
            Outgoing(small, b"k", b"x" * 5000),
            Outgoing(topic, b"k", b"x" * 200_000),
            Outgoing("no such/topic", b"k", b"x"),
            Outgoing(name("missing"), b"k", b"x"),
        ]
        words = await producer.send([*many[:500], *bad, *many[500:]])
        assert {word.error for word in words[:500] + words[504:]} == {None}  # type: ignore[operator] # both are lists
        large, larger, impossible, missing = words[500:504]
        assert large.fatal
        assert "too large" in (large.error or "")
        assert larger.fatal
        assert "too large" in (larger.error or "")
        assert impossible.fatal
        assert "topic" in (impossible.error or "")
        assert not missing.fatal, "an operator may make it"
        assert "does not exist" in (missing.error or "")
        assert await producer.send([]) == []
        recorder = Recorder()
        async with consuming(kafka_broker, recorder, topic, group=name("group")):
            await until(lambda: len(recorder.messages) == 1000)
        assert recorder.values == [str(number).encode() for number in range(1000)]
        assert recorder.messages[0].headers == headers
        assert recorder.messages[0].header("attempt") == b"1"
        await producer.close()

    asyncio.run(go())


def test_while_nobody_is_there_the_word_comes_in_time_and_nothing_blocks() -> None:
    async def go() -> None:
        producer = Producer(Connection("127.0.0.1:1"), 100_000, delivery_s=3)
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.05)
                ticks += 1

        ticking = asyncio.create_task(tick())
        (word,) = await asyncio.wait_for(producer.send([Outgoing("t", None, b"x")]), producer.deliver_timeout)
        ticking.cancel()
        assert not word.fatal
        assert word.error
        assert ticks > 20
        assert producer.reachability.trouble

    asyncio.run(go())
