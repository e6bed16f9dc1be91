"""The outbox: who takes what, in which order, and what is still owed. On both databases."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from dictograph.errors import ResultOwed
from dictograph.job import ErrorRecord
from dictograph.store import outbox
from dictograph.store.compat import intakes
from dictograph.store.compat.intakes import Intake, digest
from dictograph.store.database import Database
from dictograph.store.jobs import control, prune
from dictograph.store.outbox import BROKER, CHANNEL, DISPATCH, Delay
from dictograph.store.tables import dead_letter, intake
from dictograph.store.tables import outbox as messages
from tests.integration.store.store_driver import StoreDriver


@pytest.fixture
def neighbour(url: str) -> Iterator[StoreDriver]:
    """Another process on the same database."""
    database = Database.open(url)
    yield StoreDriver(database)
    database.close_now()


def put(driver: StoreDriver, name: str, destination: str = BROKER, **values: object) -> None:
    given = {"payload": {"n": name}, "available_at": 1.0, **values}
    driver.write(outbox.enqueue, time.time(), message_id=name, destination=destination, **given)


def names(found: list[outbox.Message]) -> list[str]:
    return [one.message_id for one in found]


def test_what_one_relay_has_taken_no_other_sends(driver: StoreDriver, neighbour: StoreDriver) -> None:
    for number in range(40):
        put(driver, f"m{number:02d}")
    taken: list[str] = []

    def relay(who: StoreDriver) -> None:
        while found := who.write(outbox.take, BROKER, 5, 60.0):
            taken.extend(names(found))

    threads = [threading.Thread(target=relay, args=(who,)) for who in (driver, neighbour) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [f"m{number:02d}" for number in range(40)], "each once, by one of the two"


def test_what_was_taken_by_a_process_that_died_comes_again(driver: StoreDriver, neighbour: StoreDriver) -> None:
    put(driver, "m")
    [first] = driver.write(outbox.take, BROKER, 5, 60.0)
    assert neighbour.write(outbox.take, BROKER, 5, 60.0) == []
    driver.write(outbox.release, [first.id])
    [again] = neighbour.write(outbox.take, BROKER, 5, 60.0)
    assert (again.id, again.message_id, again.payload) == (first.id, first.message_id, first.payload)


def test_of_one_order_only_the_oldest_is_sent_and_others_do_not_wait(driver: StoreDriver) -> None:
    job = driver.create().id
    for name, key in [("letter", "a"), ("result", "a"), ("other", "b"), ("free", None), ("loose", None)]:
        put(driver, name, job_id=job, order_key=key)
    found = driver.write(outbox.take, BROKER, 10, 60.0)
    assert names(found) == ["letter", "other", "free", "loose"]
    assert driver.write(outbox.take, BROKER, 10, 60.0) == [], "the letter is under way"
    driver.write(outbox.mark_sent, [found[0].id])
    assert names(driver.write(outbox.take, BROKER, 10, 60.0)) == ["result"]


def test_destinations_do_not_hold_up_each_other(driver: StoreDriver) -> None:
    job = driver.create().id
    put(driver, "change", CHANNEL, job_id=job)
    put(driver, "result", job_id=job)
    for destination, count in [(DISPATCH, 1), (CHANNEL, 1), (BROKER, 1)]:
        assert len(driver.write(outbox.take, destination, 10, 60.0)) == count


def test_at_most_once_means_that_a_second_taking_drops_it(driver: StoreDriver) -> None:
    """The first one may have been of a process that was killed: after sending it, or before."""
    for name in ("first", "second"):
        put(driver, name, CHANNEL, order_key="job")
    assert names(driver.write(outbox.take, CHANNEL, 10, 60.0, 60.0)) == ["first"]
    assert driver.write(outbox.take, CHANNEL, 10, 60.0, 60.0) == [], "the first is under way, and goes before"
    driver.write(lambda c: c.execute(update(messages).values(available_at=0.0)))
    assert driver.write(outbox.take, CHANNEL, 10, 60.0, 60.0) == []
    assert names(driver.write(outbox.take, CHANNEL, 10, 60.0, 60.0)) == ["second"]


def test_what_is_sent_at_most_once_is_dropped_when_it_is_old(driver: StoreDriver) -> None:
    put(driver, "old", CHANNEL)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    driver.write(lambda c: c.execute(update(messages).values(created_at=long_ago)))
    put(driver, "new", CHANNEL)
    assert names(driver.write(outbox.take, CHANNEL, 10, 60.0, 60.0)) == ["new"]
    assert [row.message_id for row in driver.read(lambda c: c.execute(select(messages)).all())] == ["new"]


def test_what_failed_is_due_at_once_when_its_receiver_is_back(driver: StoreDriver) -> None:
    for name in ("failed", "later"):
        put(driver, name, DISPATCH)
    failed, later = driver.write(outbox.take, DISPATCH, 10, -1.0)
    driver.write(outbox.postpone_all, {failed.id: Delay(600.0, "away")})
    driver.write(lambda c: c.execute(update(messages).where(messages.c.id == later.id).values(available_at=9e9)))
    driver.write(outbox.hurry, DISPATCH)
    assert names(driver.read(outbox.due, 10, DISPATCH)) == ["failed"], "the other one has its own time"


def test_a_batch_that_failed_waits_each_for_its_time(driver: StoreDriver) -> None:
    put(driver, "late")
    put(driver, "soon")
    late, soon = driver.write(outbox.take, BROKER, 10, 60.0)
    driver.write(outbox.postpone_all, {late.id: Delay(60.0, "away"), soon.id: Delay(-1.0, "away")})
    [again] = driver.write(outbox.take, BROKER, 10, 60.0)
    assert (again.id, again.attempts) == (soon.id, 1)


def came(id: str, **values: object) -> Intake:
    given = {"contract": "stt-worker", "topic": "t", "partition": 0, "offset": 7, "value_mark": digest(id), **values}
    return Intake(id, **given)  # type: ignore[arg-type] # as given


def test_a_message_that_belongs_to_no_job_is_sent_and_buried_like_others(driver: StoreDriver) -> None:
    driver.write(intakes.store, came("i"))
    put(driver, "letter", intake_id="i", order_key="i")
    [letter] = driver.write(outbox.take, BROKER, 10, 60.0)
    assert (letter.job_id, letter.intake_id) == (None, "i")
    assert driver.write(outbox.add_dead_letter, letter.id, ErrorRecord("publish_failed", "Too large.", "PUBLISH"))
    [buried] = driver.read(lambda c: c.execute(select(dead_letter)).all())
    assert (buried.job_id, buried.intake_id, buried.message_id) == (None, "i", "letter")


def test_a_job_that_owes_a_result_is_not_deleted_until_it_has_gone_out(driver: StoreDriver) -> None:
    held = driver.running()
    job = held.job_id
    driver.write(intakes.store, came("i", job_id=job, sender_id="a", reply={"results": "r"}))
    with pytest.raises(ResultOwed, match="cancel it first"):
        driver.write(control.remove, None, job)
    driver.cancel(job)
    put(driver, "result", job_id=job, intake_id="i")
    [result] = driver.write(outbox.take, BROKER, 10, 60.0)
    with pytest.raises(ResultOwed, match="soon"):
        driver.write(control.remove, None, job)
    assert driver.read(intakes.settled, ["i"]) == set()
    driver.write(outbox.mark_sent, [result.id])
    assert driver.read(intakes.settled, ["i", "gone"]) == {"i", "gone"}
    driver.write(control.remove, None, job)
    assert driver.read(intakes.of_sender, "stt-worker", "a") is None, "it is remembered as long as the job"


def test_force_deletes_what_is_owed(driver: StoreDriver) -> None:
    job = driver.create().id
    driver.write(intakes.store, came("i", job_id=job, sender_id="a", reply={"results": "r"}))
    put(driver, "result", job_id=job, intake_id="i")
    driver.write(lambda c: control.remove(c, None, job, force=True))
    assert driver.write(outbox.take, BROKER, 10, 60.0) == []


def test_the_pruner_leaves_what_is_still_owed(driver: StoreDriver) -> None:
    job = driver.create().id
    driver.write(intakes.store, came("i", job_id=job, sender_id="a", reply={"results": "r"}))
    driver.write(intakes.store, came("bad"))
    driver.cancel(job)
    put(driver, "result", job_id=job, intake_id="i")
    put(driver, "letter", intake_id="bad")
    for _ in range(2):
        driver.write(prune.prune_jobs, -60.0, 10)
        driver.write(prune.prune_intakes, -60.0, 10)
    driver.job(job)
    found = driver.write(outbox.take, BROKER, 10, 60.0)
    assert names(found) == ["result", "letter"]
    driver.write(outbox.mark_sent, [one.id for one in found])
    driver.write(prune.prune_jobs, -60.0, 10)
    driver.write(prune.prune_intakes, -60.0, 10)
    assert driver.read(lambda c: c.execute(select(intake.c.id)).all()) == []


def test_a_sender_s_id_is_used_once_for_each_contract(driver: StoreDriver) -> None:
    long = "x" * 10_000
    for contract in ("stt-worker", "gateway"):
        driver.write(intakes.store, came(contract, contract=contract, job_id=driver.create().id, sender_id=long))
        driver.write(intakes.store, came(f"{contract}-bad", contract=contract, sender_id=long))
    with pytest.raises(IntegrityError):
        driver.write(intakes.store, came("again", job_id=driver.create().id, sender_id=long))
    found = driver.read(intakes.of_sender, "gateway", long)
    assert found is not None
    assert (found.id, found.sender_id) == ("gateway", long)


def test_what_came_is_kept_byte_for_byte(driver: StoreDriver) -> None:
    driver.write(intakes.store, came("i", key=b"\x00\xff", value=b"\xffno text\x00", trace={"traceparent": "00-1"}))
    found = driver.read(intakes.of_value, "stt-worker", digest("i"))
    assert found is not None
    assert (found.key, found.value, found.trace) == (b"\x00\xff", b"\xffno text\x00", {"traceparent": "00-1"})
