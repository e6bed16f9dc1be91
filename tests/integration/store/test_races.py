"""Several at once, in threads and processes of their own: nothing is done twice, nobody waits for ever."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from dictograph.errors import IdempotencyInProgress, JobStateConflict, LeaseLost
from dictograph.job import Job, JobStatus
from dictograph.store import idempotency, outbox
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish, lease, prune
from tests.integration.store.store_driver import AT_ONCE, StoreDriver


@pytest.fixture
def neighbour(url: str) -> Iterator[StoreDriver]:
    """The same database, as another process sees it."""
    database = Database.open(url)
    yield StoreDriver(database)
    database.close_now()


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Answers and errors of calls that begin together."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        start.wait(20)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - errors are answers here
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return [done.result(60) for done in [threads.submit(run, call) for call in calls]]


def test_many_claimers_get_each_job_once_and_none_goes_without(driver: StoreDriver, neighbour: StoreDriver) -> None:
    made = [driver.create(owner=f"owner-{n % 3}").id for n in range(48)]

    def claims(who: StoreDriver) -> list[str]:
        return [who.claim().job.id for _ in range(6)]

    got = _at_once(*[lambda who=who: claims(who) for who in [driver, neighbour] * 4])
    assert [one for one in got if isinstance(one, Exception)] == []
    assert sorted(id for ids in got for id in ids) == sorted(made)
    assert driver.try_claim() is None
    for id in made:
        assert driver.log(id) == ["created", "started"]


def test_claimers_at_once_are_fair_between_owners(driver: StoreDriver, neighbour: StoreDriver) -> None:
    for owner in ("greedy", "greedy", "greedy", "greedy", "modest"):
        driver.create(owner=owner)
    first = [driver.claim().job.owner for _ in range(2)]
    assert sorted(first) == ["greedy", "modest"]


def test_a_job_that_somebody_is_taking_is_passed_over(driver: StoreDriver, neighbour: StoreDriver, kind: str) -> None:
    if kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    for number in range(40):
        driver.create(f"{number:02d}")
    entered, go = threading.Event(), threading.Event()

    def take_and_wait(conn: Connection) -> None:
        rows = conn.execute(text("SELECT id FROM transcription_job ORDER BY id LIMIT 39 FOR UPDATE")).all()
        assert len(rows) == 39
        entered.set()
        assert go.wait(20)

    slow = driver.database._backend.write(take_and_wait)
    try:
        assert entered.wait(20)
        assert neighbour.claim().job.id == "39", "the others are being taken, however deep one has to look"
        assert neighbour.try_claim() is None
    finally:
        go.set()
    slow.result(20)
    assert neighbour.claim().job.id == "00"


@pytest.mark.parametrize("end", [control.cancel, control.remove])
def test_a_job_that_somebody_ends_is_not_given_back(
    driver: StoreDriver, neighbour: StoreDriver, kind: str, end: Callable[[Connection, None, str], Job]
) -> None:
    """A claim whose answer got lost is put right: its worker must not die of a cancel in the same moment."""
    if kind == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    ended, other = driver.running(), driver.running()
    entered, go = threading.Event(), threading.Event()

    def end_and_wait(conn: Connection) -> None:
        end(conn, None, ended.job_id)
        entered.set()
        assert go.wait(20)

    ending = neighbour.database._backend.write(end_and_wait)
    try:
        assert entered.wait(20)
        given_back = driver.database._backend.write(lambda c: finish.release_unknown(c, "w1", []))
        with suppress(TimeoutError):
            given_back.result(3)
    finally:
        go.set()
    ending.result(20)
    assert given_back.result(20) == [other.job_id]
    assert driver.write(finish.release_unknown, "w1", []) == []


def test_cancel_and_a_worker_at_once(driver: StoreDriver, neighbour: StoreDriver) -> None:
    """Whoever is first: one end, no gap, and what came too late is refused."""
    for _ in range(8):
        held = driver.running()
        driver.plan(held, 1)
        driver.commit(held, 0)
        driver.finish_plan(held)
        cancelled, completed = _at_once(
            partial(neighbour.cancel, held.job_id), partial(driver.write, finish.complete, held)
        )
        assert isinstance(cancelled, JobStateConflict) != isinstance(completed, LeaseLost)
        log = driver.log(held.job_id)
        assert Counter(log)["cancelled"] + Counter(log)["completed"] == 1
        assert [event.seq for event in driver.events(held.job_id)] == list(range(1, len(log) + 1))


def test_a_lease_is_either_renewed_or_lost(driver: StoreDriver, neighbour: StoreDriver) -> None:
    for _ in range(8):
        held = driver.running()
        driver.expire_lease(held.job_id)
        renewed, lost = _at_once(partial(driver.write, lease.renew, [held], 60), neighbour.lose)
        assert (renewed == {held.job_id}) != (lost == [held.job_id])
        assert driver.job(held.job_id).failures == len(lost)
        driver.cancel(held.job_id)


def test_reapers_at_once_charge_a_job_once(driver: StoreDriver, neighbour: StoreDriver) -> None:
    ids = [driver.running().job_id for _ in range(6)]
    for id in ids:
        driver.expire_lease(id)
    lost = [id for answer in _at_once(*[driver.lose, neighbour.lose] * 2) for id in answer]
    assert sorted(lost) == sorted(ids)
    assert {driver.job(id).failures for id in ids} == {1}


def test_relays_at_once_do_not_wait_for_each_other(driver: StoreDriver, neighbour: StoreDriver) -> None:
    for _ in range(12):
        driver.create()

    def relay(who: StoreDriver) -> int:
        count = 0
        while messages := who.read(outbox.due, 5):
            who.write(outbox.mark_sent, [message.id for message in messages])
            count += len(messages)
        return count

    sent = _at_once(lambda: relay(driver), lambda: relay(neighbour))
    assert sum(sent) >= 12, "sending twice is allowed, not sending is not"
    assert driver.read(outbox.due, 5) == []


def test_pruners_and_a_retry_at_once(driver: StoreDriver, neighbour: StoreDriver) -> None:
    """A job that runs again keeps its audio, or cannot run again."""
    for number in range(8):
        id = f"job-{number}"
        driver.create(id)
        driver.cancel(id)
        pruned, other, again = _at_once(
            lambda: driver.write(prune.prune_audio, -1.0, 10).objects,
            lambda: neighbour.write(prune.prune_audio, -1.0, 10).objects,
            partial(neighbour.retry, id),
        )
        assert len(pruned + other) == len(set(pruned + other)) <= 1
        assert isinstance(again, JobStateConflict) == bool(pruned + other)
        assert (driver.job(id).audio is None) == bool(pruned + other)


def test_of_requests_with_one_key_one_is_first(driver: StoreDriver, neighbour: StoreDriver) -> None:
    for number in range(5):
        begun = _at_once(
            *[
                lambda who=who, key=f"key-{number}": who.write(idempotency.begin, "local", key, "p", str(uuid4()))
                for who in (driver, neighbour) * 2
            ]
        )
        assert Counter(type(one) for one in begun) == {type(None): 1, IdempotencyInProgress: 3}


def test_events_of_many_writers_have_no_gap(driver: StoreDriver, neighbour: StoreDriver) -> None:
    held = driver.running()
    _at_once(
        *[
            lambda who=who: [who.write(lease.fence, held, 0, priority=n) for n in range(5)]
            for who in (driver, neighbour)
        ]
    )
    _at_once(
        lambda: driver.plan(held, 3),
        lambda: neighbour.write(lease.renew, [held], 60),
        lambda: neighbour.cancel(held.job_id),
    )
    log = driver.events(held.job_id)
    assert [event.seq for event in log] == list(range(1, driver.job(held.job_id).last_seq + 1))
    assert driver.status(held.job_id) is JobStatus.CANCELLED


def test_the_same_deaths_seen_twice_cost_one_attempt(driver: StoreDriver, neighbour: StoreDriver) -> None:
    driver.create()
    claim = driver.claim(worker="dead")
    lost = _at_once(
        *[lambda who=who: who.write(lease.lose_of_workers, ["dead"], AT_ONCE) for who in (driver, neighbour)]
    )
    assert sorted(lost) == [[], [claim.job.id]]
