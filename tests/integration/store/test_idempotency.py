"""Idempotency keys: reserved by one request at a time, whose reservation is lost when it is no longer renewed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import Connection, update

from dictograph.errors import IdempotencyInProgress
from dictograph.store import idempotency
from dictograph.store.database import Database
from dictograph.store.idempotency import KEPT_S, SILENT_S, Known
from dictograph.store.tables import idempotency_key
from tests.integration.store.store_driver import StoreDriver


def begin(driver: StoreDriver, token: str, key: str = "k", owner: str = "local") -> Known | None:
    """Reserve a key, for a process that has the token's first letter."""
    return driver.write(idempotency.begin, owner, key, token[0], token)


def grow_old(driver: StoreDriver, seconds: float, key: str = "k") -> None:
    change = update(idempotency_key).where(idempotency_key.c.key == key)
    driver.write(lambda c: c.execute(change.values(created_at=idempotency_key.c.created_at - seconds)))


def test_a_key_is_ours_then_in_progress_then_known(driver: StoreDriver) -> None:
    driver.create("a")
    assert begin(driver, "p1") is None
    assert begin(driver, "p1") is None, "it is ours still"
    with pytest.raises(IdempotencyInProgress):
        begin(driver, "p2")
    assert begin(driver, "p2", owner="other") is None, "keys are each owner's own"
    driver.write(idempotency.settle, "local", "k", "a", "print")
    assert begin(driver, "q1") == begin(driver, "p1") == Known("a", "print")


def test_a_key_without_a_job_is_freed(driver: StoreDriver) -> None:
    driver.create("a")
    for key in ("refused", "settled", "crashed"):
        begin(driver, "p1", key)
    driver.write(idempotency.settle, "local", "settled", "a", "print")
    driver.write(idempotency.abandon, "local", "refused", "p2")
    with pytest.raises(IdempotencyInProgress):
        begin(driver, "q1", "refused")
    driver.write(idempotency.abandon, "local", "refused", "p1")
    assert begin(driver, "q1", "refused") is None
    driver.write(idempotency.abandon_processes, ["p"])
    assert begin(driver, "q1", "crashed") is None
    driver.write(idempotency.abandon, "local", "settled", "p1")
    assert begin(driver, "q1", "settled") == Known("a", "print")


def test_keys_are_kept_for_a_day(driver: StoreDriver) -> None:
    driver.create("a")
    for key in ("old", "older", "new"):
        begin(driver, "p1", key)
        driver.write(idempotency.settle, "local", key, "a", "print")
    for key in ("old", "older"):
        grow_old(driver, KEPT_S, key)
    assert begin(driver, "p2", "old") is None
    assert driver.write(idempotency.expire) == 1
    assert begin(driver, "p2", "new") == Known("a", "print")


@pytest.mark.parametrize("seconds", [SILENT_S, -3600.0], ids=["old", "the clock was set back"])
def test_a_reservation_that_is_not_renewed_is_soon_nobodys(driver: StoreDriver, seconds: float) -> None:
    """Its process may be on another machine that is gone, or could not say that no job came of it."""
    begin(driver, "p1")
    grow_old(driver, seconds)
    assert begin(driver, "q1") is None
    assert not driver.write(idempotency.renew, "local", "k", "p1")
    driver.write(idempotency.abandon, "local", "k", "p1")
    with pytest.raises(IdempotencyInProgress):
        begin(driver, "p1")
    driver.write(idempotency.abandon, "local", "k", "q1")
    assert begin(driver, "p1") is None, "nobody else made a job: it may still"


def test_a_reservation_that_is_renewed_stays_however_long_it_takes(driver: StoreDriver) -> None:
    begin(driver, "p1")
    for seconds in (SILENT_S, KEPT_S):
        grow_old(driver, seconds)
        assert driver.write(idempotency.renew, "local", "k", "p1")
        assert driver.write(idempotency.expire) == 0
        with pytest.raises(IdempotencyInProgress):
            begin(driver, "q1")


@pytest.fixture
def neighbour(url: str) -> Iterator[StoreDriver]:
    """The same database, as another process sees it."""
    database = Database.open(url)
    yield StoreDriver(database)
    database.close_now()


@pytest.mark.parametrize("late", ["take", "abandon"])
def test_a_silent_request_that_makes_its_job_after_all_keeps_the_key(
    driver: StoreDriver, neighbour: StoreDriver, late: str
) -> None:
    """Whoever wants the key in the moment of that transaction waits for it, and then finds the job."""
    driver.create("a")
    begin(driver, "p1")
    grow_old(driver, SILENT_S)
    ours, go_on = threading.Event(), threading.Event()

    def make(conn: Connection) -> None:
        assert idempotency.begin(conn, "local", "k", "p", "p1") is None
        ours.set()
        assert go_on.wait(20)
        idempotency.settle(conn, "local", "k", "a", "print")

    making = driver.database._backend.write(make)
    assert ours.wait(20)
    if late == "take":
        other = neighbour.database._backend.write(lambda c: idempotency.begin(c, "local", "k", "q", "q1"))
    else:
        other = neighbour.database._backend.write(lambda c: idempotency.abandon(c, "local", "k", "p1"))
    with suppress(TimeoutError):  # it waits for ours
        other.result(0.2)
    go_on.set()
    assert other.result(20) == (Known("a", "print") if late == "take" else None)
    making.result(20)
    assert begin(neighbour, "q2") == Known("a", "print")


def test_a_silent_request_whose_key_is_being_taken_finds_it_taken(driver: StoreDriver, neighbour: StoreDriver) -> None:
    begin(driver, "p1")
    grow_old(driver, SILENT_S)
    taken, go_on = threading.Event(), threading.Event()

    def take(conn: Connection) -> None:
        assert idempotency.begin(conn, "local", "k", "q", "q1") is None
        taken.set()
        assert go_on.wait(20)

    taking = neighbour.database._backend.write(take)
    assert taken.wait(20)
    ours = driver.database._backend.write(lambda c: idempotency.begin(c, "local", "k", "p", "p1"))
    with suppress(TimeoutError):
        ours.result(0.2)
    go_on.set()
    with pytest.raises(IdempotencyInProgress):
        ours.result(20)
    taking.result(20)
