"""A consumer on a real broker: what is committed, and when it pauses, gives back, goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from dictograph.broker import Incoming, Partition
from dictograph.kafka.connection import Connection
from tests.integration.kafka.clients import Recorder, committed, consuming, name, send, until
from tests.kafka import ALICE, BOB, PASSWORDS, Broker


@pytest.fixture
def topic(kafka_broker: Broker) -> str:
    return kafka_broker.make_topic(name("jobs"))


def test_what_is_done_is_committed_and_the_rest_comes_again(kafka_broker: Broker, topic: str) -> None:
    group = name("group")

    async def go() -> None:
        await send(kafka_broker, topic, b"a", b"b", b"c", None)
        first = Recorder()
        async with consuming(kafka_broker, first, topic, group=group) as consumer:
            await until(lambda: len(first.messages) == 4)
            assert first.values == [b"a", b"b", b"c", None]
            for offset in (1, 0, 3):
                consumer.done(topic, 0, offset)
            await until(lambda: committed(kafka_broker, group, topic) == 2)
            await until(lambda: consumer.joined and consumer.trouble is None)
            await until(lambda: consumer.lag() == {Partition(topic, 0): 2})
        assert first.revoked_partitions == [Partition(topic, 0)], "it left in good order"
        again = Recorder()
        async with consuming(kafka_broker, again, topic, group=group):
            await until(lambda: again.values == [b"c", None])

    asyncio.run(go())


def test_a_consumer_takes_no_more_than_it_may_have_unfinished(kafka_broker: Broker, topic: str) -> None:
    group = name("group")

    async def go() -> None:
        await send(kafka_broker, topic, *(str(number).encode() for number in range(10)))
        recorder = Recorder()
        async with consuming(kafka_broker, recorder, topic, group=group, most_unfinished=3, max_poll_s=8) as consumer:
            await until(lambda: len(recorder.messages) == 3)
            # Longer than it may go without a poll: who stops polling is put out of the group.
            await asyncio.sleep(9)
            assert len(recorder.messages) == 3
            assert recorder.lost_partitions == recorder.revoked_partitions == []
            for offset in range(10):
                await until(lambda o=offset: len(recorder.messages) > o)  # type: ignore[misc] # bound in the loop on purpose
                consumer.done(topic, 0, offset)
            await until(lambda: committed(kafka_broker, group, topic) == 10)
        assert recorder.values == [str(number).encode() for number in range(10)]

    asyncio.run(go())


def test_a_receiver_may_take_longer_than_a_poll_may_wait(kafka_broker: Broker, topic: str) -> None:
    """The database is away, say: the thread polls on, with its partitions paused."""
    group = name("group")

    async def slowly(messages: Sequence[Incoming]) -> None:
        if len(messages) and messages[0].offset == 0:
            await asyncio.sleep(8)

    async def go() -> None:
        recorder = Recorder(slowly)
        await send(kafka_broker, topic, b"first")
        async with consuming(kafka_broker, recorder, topic, group=group, max_poll_s=6) as consumer:
            await until(lambda: recorder.messages)
            await send(kafka_broker, topic, b"second")
            await until(lambda: recorder.values == [b"first", b"second"])
            assert recorder.lost_partitions == []
            consumer.done(topic, 0, 0)
            consumer.done(topic, 0, 1)
            await until(lambda: committed(kafka_broker, group, topic) == 2)

    asyncio.run(go())


def test_the_next_owner_begins_after_the_receiver_has_finished_with_a_partition(kafka_broker: Broker) -> None:
    """What ended is committed inside the callback: it does not come again to the next owner; the rest does."""
    topic, group = kafka_broker.make_topic(name("jobs"), partitions=2), name("group")

    async def go() -> None:
        first, second = Recorder(), Recorder()
        async with consuming(kafka_broker, first, topic, group=group) as one:
            await until(lambda: one.joined)
            for key in (b"a", b"b", b"c", b"d", b"e"):
                await send(kafka_broker, topic, key, key, key=key)
            await until(lambda: len(first.messages) == 10)
            assert {message.partition for message in first.messages} == {0, 1}

            def finish(partitions: Collection[Partition]) -> None:
                for partition in partitions:
                    one.done(partition.topic, partition.number, 0)

            first.when_revoked = finish
            async with consuming(kafka_broker, second, topic, group=group) as two:
                await until(lambda: first.revoked_partitions and two.joined)
                (moved,) = first.revoked_partitions
                there = sorted(m.offset for m in first.messages if m.partition == moved.number)
                await until(lambda: len(second.messages) == len(there) - 1)
                assert [message.offset for message in second.messages] == there[1:]
                assert {message.partition for message in second.messages} == {moved.number}

    asyncio.run(go())


def test_an_error_of_the_receiver_ends_the_consumer(kafka_broker: Broker, topic: str) -> None:
    async def fails(messages: Sequence[Incoming]) -> None:
        raise RuntimeError(f"{len(messages)} cannot be taken")

    async def go() -> None:
        await send(kafka_broker, topic, b"x")
        from dictograph.kafka.consumer import Consumer
        from dictograph.kafka.subscription import Subscription
        from dictograph.runtime.crash import CrashPoints

        connection = Connection(kafka_broker.servers)
        consumer = Consumer(connection, Subscription(name("group"), [topic]), Recorder(fails), CrashPoints())
        with pytest.raises(RuntimeError, match="1 cannot be taken"):
            await asyncio.wait_for(consumer.run(), 90)

    asyncio.run(go())


@pytest.mark.parametrize("more", [{"protocol": "consumer"}, {"instance": "worker-1"}], ids=["kip-848", "static"])
def test_other_ways_to_join_a_group(kafka_broker: Broker, topic: str, more: dict[str, Any]) -> None:
    group = name("group")

    async def go() -> None:
        await send(kafka_broker, topic, b"a", b"b")
        first, second = Recorder(), Recorder()
        async with consuming(kafka_broker, first, topic, group=group, **more) as consumer:
            await until(lambda: first.values == [b"a", b"b"])
            await until(lambda: consumer.joined and consumer.trouble is None)
            consumer.done(topic, 0, 0)
            await until(lambda: committed(kafka_broker, group, topic) == 1)
        async with consuming(kafka_broker, second, topic, group=group, **more):
            await until(lambda: second.values == [b"b"])

    asyncio.run(go())


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_with_a_password(kafka_broker: Broker, topic: str, mechanism: str) -> None:
    connection = _with_password(kafka_broker, mechanism, ALICE, PASSWORDS[ALICE])

    async def go() -> None:
        await send(kafka_broker, topic, b"x")
        recorder = Recorder()
        async with consuming(connection, recorder, topic, group=name("group")) as consumer:
            await until(lambda: recorder.values == [b"x"] and consumer.joined)

    asyncio.run(go())


def test_with_tls(kafka_broker: Broker, topic: str) -> None:
    connection = Connection(f"localhost:{kafka_broker.tls_port}", tls=True, ca_file=kafka_broker.authority)

    async def go() -> None:
        await send(kafka_broker, topic, b"x")
        recorder = Recorder()
        async with consuming(connection, recorder, topic, group=name("group")):
            await until(lambda: recorder.values == [b"x"])

    asyncio.run(go())


def test_the_reason_is_named_when_nobody_lets_it_in(
    kafka_broker: Broker, topic: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The client itself only says that something took too long. Nothing goes to stderr, and no secret anywhere."""
    wrong = _with_password(kafka_broker, "PLAIN", ALICE, "mistaken-secret")
    without_rights = _with_password(kafka_broker, "SCRAM-SHA-512", BOB, PASSWORDS[BOB])
    strangers = Connection(f"localhost:{kafka_broker.tls_port}", tls=True)
    nowhere = Connection("127.0.0.1:1")

    async def go() -> None:
        for connection, reason in (
            (wrong, "the broker refuses the user or the password"),
            (without_rights, "the user has no right on the"),
            (strangers, "TLS fails"),
            (nowhere, "no broker answers"),
        ):
            async with consuming(connection, Recorder(), topic, group=name("group")) as consumer:
                await until(lambda c=consumer, r=reason: r in (c.trouble or ""), what=reason)  # type: ignore[misc]
                assert not consumer.joined

    asyncio.run(go())
    assert f"Failed to connect to Kafka at {wrong.servers}: the broker refuses" in caplog.text
    assert "secret" not in caplog.text
    assert capfd.readouterr().err == ""


def _with_password(broker: Broker, mechanism: str, user: str, password: str) -> Connection:
    return Connection(f"127.0.0.1:{broker.sasl_port}", mechanism=mechanism, user=user, password=password)
