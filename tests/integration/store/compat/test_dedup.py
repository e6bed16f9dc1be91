"""Requests that share a job: which one they find, and that of two at once one makes it and the other finds it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text, update

from dictograph.job import ErrorRecord, Job, JobStatus, Options, Source, SourceKind
from dictograph.store import idempotency
from dictograph.store.compat.dedup import DONE_S, FAILED_S, find_joined
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.tables import job as job_table
from tests.integration.store.store_driver import AT_ONCE, StoreDriver

MARK = "cd" * 32


def joined(driver: StoreDriver, owner: str = "ann", mark: str = MARK, repeatable: bool = True) -> str | None:
    found = driver.write(find_joined, owner, mark, repeatable=repeatable)
    return None if found is None else found.id


def marked(driver: StoreDriver) -> Job:
    return driver.create(owner="ann", join_mark=MARK)


def ended(driver: StoreDriver, error: ErrorRecord | None = None) -> str:
    """A job that has just ended, well or with an error for good."""
    lease = driver.running(owner="ann", join_mark=MARK)
    if error is None:
        return driver.whole(lease).id
    return driver.write(finish.fail, lease, error, False, AT_ONCE).id


def grow_old(driver: StoreDriver, job_id: str, seconds: float) -> None:
    finished = driver.job(job_id).finished_at
    assert finished is not None
    change = update(job_table).where(job_table.c.id == job_id)
    driver.write(lambda conn: conn.execute(change.values(finished_at=finished - timedelta(seconds=seconds))))


def test_what_waits_or_runs_is_joined_by_its_owner_alone(driver: StoreDriver) -> None:
    assert joined(driver) is None
    job = marked(driver)
    driver.create(owner="ann")
    assert joined(driver) == job.id
    assert joined(driver, owner="eve") is None
    assert joined(driver, mark="ef" * 32) is None
    driver.claim()
    assert joined(driver) == job.id
    assert joined(driver, repeatable=False) == job.id


def test_what_an_earlier_version_marked_otherwise_is_joined_too(driver: StoreDriver) -> None:
    made = marked(driver)
    assert joined(driver, mark="ef" * 32) is None
    found = driver.write(find_joined, "ann", "ef" * 32, MARK, repeatable=True)
    assert found is not None
    assert found.id == made.id


@pytest.mark.parametrize(("code", "joins"), [("storage_unavailable", False), ("engine_failed", True)])
def test_what_waits_for_audio_that_is_gone_is_not_joined_by_who_brings_it_again(
    driver: StoreDriver, code: str, joins: bool
) -> None:
    lease = driver.running(owner="ann", join_mark=MARK)
    waiting = driver.write(finish.fail, lease, ErrorRecord(code, "It did not work.", "DECODE"), True, AT_ONCE)
    assert waiting.status == JobStatus.PENDING
    assert joined(driver) == (waiting.id if joins else None)


def test_what_is_done_is_joined_for_an_hour_if_it_would_be_the_same_again(driver: StoreDriver) -> None:
    id = ended(driver)
    assert joined(driver) == id
    assert joined(driver, repeatable=False) is None
    grow_old(driver, id, DONE_S + 1)
    assert joined(driver) is None


def test_what_failed_is_joined_for_a_minute_if_nothing_can_help(driver: StoreDriver) -> None:
    id = ended(driver, ErrorRecord("unsupported_format", "The file is text.", "DECODE"))
    assert joined(driver) == id
    grow_old(driver, id, FAILED_S + 1)
    assert joined(driver) is None
    ended(driver, ErrorRecord("engine_failed", "It did not work.", "TRANSCRIBE"))
    assert joined(driver) is None


def test_what_was_cancelled_is_not_joined(driver: StoreDriver) -> None:
    driver.cancel(marked(driver).id)
    assert joined(driver) is None


def test_the_newest_is_joined(driver: StoreDriver) -> None:
    ended(driver)
    job = marked(driver)
    assert joined(driver) == job.id


@pytest.fixture
def neighbour(url: str) -> Iterator[StoreDriver]:
    """The same database, as another process sees it."""
    database = Database.open(url)
    yield StoreDriver(database)
    database.close_now()


def test_of_many_at_once_one_makes_the_job(driver: StoreDriver, neighbour: StoreDriver) -> None:
    start = threading.Barrier(12)

    def make(number: int) -> str:
        def query(conn: Connection) -> str:
            found = find_joined(conn, "ann", MARK, repeatable=True)
            new = NewJob(
                f"job-{number}", "ann", "a.wav", Source(SourceKind.UPLOAD), Options.model_validate({}), join_mark=MARK
            )
            return (found or create_job(conn, new)).id

        start.wait(20)
        return (driver, neighbour)[number % 2].database.write_now(query)

    with ThreadPoolExecutor(12) as threads:
        assert len(set(threads.map(make, range(12)))) == 1


def test_a_job_that_is_being_joined_is_deleted_afterwards(driver: StoreDriver, neighbour: StoreDriver) -> None:
    id = marked(driver).id
    removals: list[Future[Job]] = []

    def join(conn: Connection) -> None:
        assert idempotency.begin(conn, "ann", "key", "p", "t") is None
        assert find_joined(conn, "ann", MARK, repeatable=True) is not None
        removals.append(neighbour.database._backend.write(lambda c: control.remove(c, "ann", id)))
        with suppress(TimeoutError):  # it waits for us
            removals[0].result(0.3)
        idempotency.settle(conn, "ann", "key", id, "print")

    driver.write(join)
    assert removals[0].result(20).id == id
    assert driver.write(idempotency.begin, "ann", "key", "p", "t") is None, "the key went with its job"


def test_it_is_found_by_its_index(driver: StoreDriver, kind: str) -> None:
    def explained(conn: Connection) -> str:
        if kind == "postgresql":  # it goes by what it has counted, and with few rows it would look at them all
            conn.execute(text("ANALYZE transcription_job"))
            conn.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if kind == "sqlite" else "EXPLAIN "
        query = "SELECT id FROM transcription_job WHERE join_mark = :mark AND owner = :owner"
        return "\n".join(str(row) for row in conn.execute(text(explain + query), {"mark": MARK, "owner": "ann"}))

    for number in range(200):
        driver.create(owner="ann", join_mark=f"{number:064x}")
    marked(driver)
    assert "ix_job_join" in driver.write(explained)
