"""The relay over a real database: two at once, a broker that is away, one that refuses, a process that is stopped."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import MagicMock

import pytest
from sqlalchemy import select

from dictograph.broker import Outgoing, Sent
from dictograph.broker.envelope import as_payload, from_payload
from dictograph.runtime.crash import CrashPoints
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.outbox import BROKER, Message
from dictograph.store.tables import dead_letter
from dictograph.store.tables import outbox as messages
from dictograph.worker.relays.outlets import Answers, Outlet, WakeUps
from dictograph.worker.relays.relay import Relay
from tests.integration.store.store_driver import StoreDriver
from tests.integration.store.test_outbox import put


class FakeBroker:
    """Takes its time, and says of each message what `word` says."""

    destination = BROKER
    hold = 60.0
    expires = 0.0

    def __init__(
        self, word: Callable[[Message, int], Sent] = lambda message, count: Sent(), seconds: float = 0.02
    ) -> None:
        self.sent = Counter[str]()
        self.order: list[str] = []
        self.batches: list[int] = []
        self._word = word
        self._seconds = seconds

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        self.batches.append(len(messages))
        await asyncio.sleep(self._seconds)
        self.sent.update(message.message_id for message in messages)
        words = [self._word(message, self.sent[message.message_id]) for message in messages]
        self.order += [m.message_id for m, word in zip(messages, words, strict=True) if word.error is None]
        return words

    def smaller(self, message: Message) -> dict[str, Any] | None:
        return None

    def delay(self, failures: int) -> float:
        return 0.01


class SmallTopic(FakeBroker):
    """Takes results of at most so many bytes, though nobody said so."""

    most = 5000

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        words = []
        for message in messages:
            value = from_payload(message.payload).value or b""
            words.append(Sent("too large", fatal=True) if len(value) > self.most else Sent())
            self.order += [value.decode()] if len(value) <= self.most else []
        return words

    def smaller(self, message: Message) -> dict[str, Any] | None:
        return Answers(MagicMock(deliver_timeout=1.0)).smaller(message)


def relaying(
    pairs: Sequence[tuple[Database, Outlet]], until: Callable[[], bool], told: list[int] | None = None
) -> None:
    """Run a relay for each pair until that is true."""

    async def run() -> None:
        sent = (lambda: told.append(1)) if told is not None else (lambda: None)
        relays = [Relay(database, outlet, CrashPoints(), 0.02, sent) for database, outlet in pairs]
        tasks = [asyncio.create_task(relay.run()) for relay in relays]
        async with asyncio.timeout(60):
            while not until():
                assert not any(task.done() for task in tasks)
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(run())


def empty(driver: StoreDriver) -> bool:
    return not driver.read(outbox.due, 1, BROKER) and not driver.read(
        lambda c: c.execute(select(messages.c.id).where(outbox.IS_OWED)).all()
    )


def test_two_relays_send_each_message_once(driver: StoreDriver, url: str) -> None:
    for number in range(60):
        put(driver, f"m{number:02d}", order_key=f"job-{number % 7}")
    broker, neighbour = FakeBroker(), Database.open(url)
    try:
        relaying([(driver.database, broker), (neighbour, broker)], lambda: empty(driver))
    finally:
        neighbour.close_now()
    assert set(broker.sent.values()) == {1}
    assert len(broker.sent) == 60
    for key in range(7):
        mine = [name for name in broker.order if int(name[1:]) % 7 == key]
        assert mine == sorted(mine), "in order for each job"


def test_many_are_sent_at_once(driver: StoreDriver) -> None:
    for number in range(40):
        put(driver, f"m{number}")
    broker, told = FakeBroker(), list[int]()
    relaying([(driver.database, broker)], lambda: empty(driver) and bool(told), told)
    assert broker.batches == [40]


def test_a_broker_that_was_away_gets_everything_and_in_order(driver: StoreDriver) -> None:
    for name in ("letter", "result"):
        put(driver, name, order_key="job")
    broker = FakeBroker(lambda _, count: Sent(None if count > 2 else "the broker is away"))
    relaying([(driver.database, broker)], lambda: empty(driver))
    assert broker.order == ["letter", "result"]
    assert broker.sent == {"letter": 3, "result": 3}


def test_what_can_never_be_sent_is_buried_and_the_next_goes_on(driver: StoreDriver) -> None:
    job = driver.create().id
    for name in ("huge", "next"):
        put(driver, name, job_id=job)
    broker = FakeBroker(lambda message, _: Sent("too large", fatal=True) if message.message_id == "huge" else Sent())
    relaying([(driver.database, broker)], lambda: empty(driver))
    [letter] = driver.read(lambda c: c.execute(select(dead_letter)).all())
    assert (letter.message_id, letter.error_message, letter.stage) == ("huge", "too large", "PUBLISH")
    assert broker.order == ["next"]


def test_a_result_that_is_too_large_for_its_topic_is_made_smaller(driver: StoreDriver) -> None:
    job = driver.create().id
    value = json.dumps({"jobId": "a", "transcriptText": "word " * 20_000, "errorCode": None})
    put(driver, "result", job_id=job, payload=as_payload(Outgoing("results", b"a", value.encode())))
    put(driver, "letter", job_id=job, payload=as_payload(Outgoing("dlq", b"a", b'{"job": "' + b"x" * 9000 + b'"}')))
    topic = SmallTopic()
    relaying([(driver.database, topic)], lambda: empty(driver))
    [sent] = map(json.loads, topic.order)
    assert (sent["jobId"], sent["errorCode"], sent["truncated"]) == ("a", None, True)
    assert sent["transcriptUrl"] == f"/v1/transcriptions/{job}/transcript?format=txt"
    assert 2000 < len(sent["transcriptText"]) < 5000
    [letter] = driver.read(lambda c: c.execute(select(dead_letter)).all())
    assert letter.message_id == "letter", "what cannot be made smaller is buried"


def test_a_relay_that_is_stopped_leaves_its_messages_to_others_at_once(driver: StoreDriver) -> None:
    put(driver, "m")
    broker = FakeBroker(seconds=3600)
    relaying([(driver.database, broker)], lambda: bool(broker.batches))
    assert [one.message_id for one in driver.read(outbox.due, 1, BROKER)] == ["m"]


def test_a_wake_up_that_a_queue_refuses_is_sent_again(driver: StoreDriver) -> None:
    class Queue:
        heard_of: Sequence[str] = ()

        async def send(self, message_id: str, payload: dict[str, object]) -> None:
            self.heard_of = [*self.heard_of, str(payload["job_id"])]
            if len(self.heard_of) == 1:
                raise OSError("away")

        async def heard(self, timeout: float) -> None: ...

        async def close(self) -> None: ...

    job, queue = driver.create().id, Queue()
    relaying([(driver.database, WakeUps(queue))], lambda: len(queue.heard_of) == 2)
    assert queue.heard_of == [job, job]


def test_at_most_once_is_not_sent_again(driver: StoreDriver, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("one", "two"):
        put(driver, name, order_key="job")
    broker = FakeBroker(lambda *_: Sent("away"))
    broker.expires = 60.0
    relaying([(driver.database, broker)], lambda: len(broker.sent) == 2 and empty(driver))
    assert broker.sent == {"one": 1, "two": 1}
    assert caplog.text.count("messages are dropped: away") == 1


def test_at_most_once_stays_in_order_with_several_relays(driver: StoreDriver, url: str) -> None:
    for number in range(60):
        put(driver, f"m{number:02d}", order_key=f"job-{number % 3}")
    slow, quick, neighbour = FakeBroker(seconds=0.1), FakeBroker(seconds=0.0), Database.open(url)
    quick.order, quick.sent = slow.order, slow.sent
    slow.expires = quick.expires = 60.0
    try:
        relaying([(driver.database, slow), (neighbour, quick)], lambda: empty(driver))
    finally:
        neighbour.close_now()
    assert set(slow.sent.values()) == {1}
    for key in range(3):
        mine = [name for name in slow.order if int(name[1:]) % 3 == key]
        assert mine == sorted(mine)
        assert len(mine) == 20
