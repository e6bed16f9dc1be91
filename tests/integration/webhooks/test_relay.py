"""The relay of webhooks over a real database and real receivers: who waits for whom, and who does not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from dictograph.errors import DatabaseUnavailable
from dictograph.net.addresses import AllowList
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.store.tables import outbox, webhook_delivery
from dictograph.store.webhooks import deliveries
from dictograph.webhooks.delivery import Delivery, DeliveryState
from dictograph.webhooks.delivery_slots import DeliverySlots
from dictograph.webhooks.sender import Outcome, WebhookSender
from dictograph.worker.relays.webhooks import WebhookRelay
from tests.integration.store.store_driver import StoreDriver
from tests.integration.store.webhooks.test_deliveries import log
from tests.receiver import Came, Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("template") / "d.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def driver(tmp_path: Path, template: Path) -> Iterator[StoreDriver]:
    file = tmp_path / "d.db"
    file.write_bytes(template.read_bytes())
    database = Database.open(f"sqlite:///{file}")
    yield StoreDriver(database)
    database.close_now()


def tell(driver: StoreDriver, url: str, count: int = 1, owner: str = "local") -> list[str]:
    """Jobs that have ended, whose end is to be told; their ids."""
    ids = [driver.create(webhook_url=url, owner=owner).id for _ in range(count)]
    for id in ids:
        driver.cancel(id)
    return ids


def relaying(
    driver: StoreDriver,
    receiver: Receiver,
    until: Callable[[], object],
    *,
    timeout: float = 20.0,
    sender: WebhookSender | None = None,
    places: DeliverySlots | None = None,
    seconds: float = 15.0,
    then: Callable[[], Awaitable[None]] | None = None,
) -> float:
    """Run a relay until that is true; how long it took."""

    async def run() -> float:
        allow = AllowList.parse(["127.0.0.0/8"])
        relay = WebhookRelay(driver.database, sender or WebhookSender(allow, timeout), 0.05, places)
        began = time.monotonic()
        task = asyncio.create_task(relay.run())
        while not until():
            assert not task.done(), repr(task.exception())
            assert time.monotonic() - began < seconds, [row.state for row in log(driver)]
            await asyncio.sleep(0.01)
        took = time.monotonic() - began
        if then is not None:
            await then()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return took

    return asyncio.run(run())


def states(driver: StoreDriver) -> set[str]:
    return {row.state for row in log(driver, limit=1000)}


def only(driver: StoreDriver) -> Delivery:
    [row] = log(driver)
    return row


def test_one_that_hangs_holds_up_no_other(driver: StoreDriver, receiver: Receiver) -> None:
    """Not even the other receivers of the same owner, and although it has a backlog."""
    receiver.rules["/slow"] = receiver.hang
    tell(driver, receiver.url("/slow"), 60)
    with receiving() as quick:
        tell(driver, quick.url("/"), 3)
        took = relaying(driver, receiver, lambda: len(quick.came) == 3)
    assert took < 5
    assert 1 <= len(receiver.came) <= 4


def test_a_quick_receiver_gets_a_backlog_as_fast_as_it_takes_it(driver: StoreDriver, receiver: Receiver) -> None:
    ids = tell(driver, receiver.url("/"), 60)
    relaying(driver, receiver, lambda: states(driver) == {DeliveryState.DELIVERED}, seconds=20)
    assert sorted(came.job for came in receiver.came) == sorted(ids), "each once"


def test_the_wait_after_a_failure_is_that_of_the_schedule(driver: StoreDriver, receiver: Receiver) -> None:
    receiver.rules["/"] = lambda _: 500
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: only(driver).attempts == 1)
    row = only(driver)
    assert row.next_attempt_at is not None
    assert row.attempted_at is not None
    assert 4.4 < (row.next_attempt_at - row.attempted_at).total_seconds() < 5.1
    assert (row.state, row.status_code) == (DeliveryState.PENDING, 500)


def test_a_receiver_is_left_alone_as_long_as_it_asks(driver: StoreDriver, receiver: Receiver) -> None:
    receiver.rules["/"] = lambda _: (429, {"retry-after": "120"}, b"")
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: only(driver).attempts == 1)
    row = only(driver)
    assert row.next_attempt_at is not None
    assert row.attempted_at is not None
    assert 119 < (row.next_attempt_at - row.attempted_at).total_seconds() < 121


def test_after_ten_attempts_it_is_given_up(driver: StoreDriver, receiver: Receiver) -> None:
    receiver.rules["/"] = lambda _: 500
    tell(driver, receiver.url("/"))

    def hurried() -> bool:
        driver.write(lambda conn: conn.execute(update(outbox).where(outbox.c.attempts < 10).values(available_at=1.0)))
        return states(driver) == {DeliveryState.FAILED}

    relaying(driver, receiver, hurried, timeout=1000)
    assert only(driver).attempts == len(receiver.came) == 10
    assert len({came.id for came in receiver.came}) == 1
    assert len({came.body for came in receiver.came}) == 1, "repeats are identical"


def test_an_address_inside_is_never_tried_again(driver: StoreDriver, receiver: Receiver) -> None:
    tell(driver, "http://169.254.169.254/latest/meta-data/")
    sender = WebhookSender(AllowList(), 5)
    relaying(driver, receiver, lambda: states(driver) == {DeliveryState.FAILED}, sender=sender)
    assert (only(driver).attempts, only(driver).status_code) == (1, None)
    assert "not public" in str(only(driver).last_error)


def test_one_that_can_never_be_sent_ends_nothing_else(driver: StoreDriver, receiver: Receiver) -> None:
    """Whatever a row may hold: the process goes on, and so do the others."""
    tell(driver, receiver.url("/"))
    driver.write(lambda conn: conn.execute(update(webhook_delivery).values(url="http://[::1/\ud800")))
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: states(driver) == {DeliveryState.FAILED, DeliveryState.DELIVERED})


def test_a_mistake_of_ours_counts_as_a_failure(
    driver: StoreDriver, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(WebhookSender):
        async def post(self, *_: object) -> Outcome:
            raise ZeroDivisionError

    tell(driver, receiver.url("/"))
    with caplog.at_level(logging.ERROR):
        relaying(driver, receiver, lambda: only(driver).attempts == 1, sender=Broken(AllowList(), 5))
    assert only(driver).state is DeliveryState.PENDING
    assert "ZeroDivisionError" in str(only(driver).last_error)


def test_what_is_under_way_when_the_process_stops_comes_to_its_end(driver: StoreDriver, receiver: Receiver) -> None:
    def slowly(_: Came) -> int:
        receiver.closing.wait(0.3)
        return 204

    receiver.rules["/"] = slowly
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: receiver.came)
    assert (only(driver).state, len(receiver.came)) == (DeliveryState.DELIVERED, 1)


def test_what_cannot_come_to_its_end_is_sent_by_whoever_comes_next(driver: StoreDriver, receiver: Receiver) -> None:
    receiver.rules["/"] = receiver.hang
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: receiver.came)
    assert only(driver).attempts == 0
    receiver.rules["/"] = lambda _: 204
    took = relaying(driver, receiver, lambda: only(driver).state is DeliveryState.DELIVERED)
    assert took < 5, "it was let go, so that nobody waits for one that is no more"
    assert len({came.id for came in receiver.came}) == 1


def test_a_mistake_in_what_is_written_ends_the_relay(
    driver: StoreDriver, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As any agent's: the process says so and stops, and does not go on half alive."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(deliveries, "record", broken)
    tell(driver, receiver.url("/"))
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        relaying(driver, receiver, lambda: False)


def test_it_lives_through_a_database_that_is_away(
    driver: StoreDriver, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = driver.database.read, iter([True, True])

    async def read(query: Callable[..., object]) -> object:
        if next(failures, False):
            raise DatabaseUnavailable("It is away.")
        return await real(query)

    monkeypatch.setattr(driver.database, "read", read)
    tell(driver, receiver.url("/"))
    relaying(driver, receiver, lambda: receiver.came)
