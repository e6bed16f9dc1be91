"""Which job is claimed next, and what a claim does to it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import Connection, event

from dictograph.job import FrozenEngine, JobStatus, Options
from dictograph.store.database import Database
from dictograph.store.jobs import finish, progress
from dictograph.store.jobs.claim import Claim, Claimant, claim_job, has_waiting_exclusive_job
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.tables import job
from tests.integration.store.store_driver import OOPS, StoreDriver


def test_a_claim_takes_the_job_and_gives_its_lease(driver: StoreDriver) -> None:
    made = driver.create()
    claim = driver.claim()
    assert (claim.job.id, claim.job.status, claim.job.attempt) == (made.id, JobStatus.PROCESSING, 1)
    assert (claim.lease.job_id, claim.lease.attempt, claim.exclusive) == (made.id, 1, False)
    assert claim.job.started_at is not None
    assert driver.events(made.id)[-1].data == {"attempt": 1}
    assert driver.try_claim() is None


def test_priority_goes_before_age(driver: StoreDriver) -> None:
    driver.create("old")
    driver.create("urgent", priority=5)
    driver.create("new")
    assert [driver.claim().job.id for _ in range(3)] == ["urgent", "old", "new"]


def test_the_owner_with_the_fewest_running_jobs_goes_first(driver: StoreDriver) -> None:
    for number in range(3):
        driver.create(f"greedy-{number}", owner="greedy")
    driver.create("modest-0", owner="modest")
    driver.create("third-0", owner="third")
    order = [driver.claim().job.id for _ in range(5)]
    assert order == ["greedy-0", "modest-0", "third-0", "greedy-1", "greedy-2"]


def test_only_what_the_worker_can_run_is_claimed(driver: StoreDriver) -> None:
    driver.create("whisper-job", options=Options(engine="whisper"))
    driver.create("big-model", options=Options(model="large-v3"))
    assert driver.try_claim(engine="auto") is None
    assert driver.claim(engine="whisper").job.id == "whisper-job"
    big = driver.write(claim_job, Claimant("w", 60, frozenset({("auto", "large-v3")}), False))
    assert isinstance(big, Claim)
    assert big.job.id == "big-model"
    assert driver.write(claim_job, Claimant("w", 60, frozenset(), False)) is None


def test_what_was_frozen_decides_who_may_claim_again(driver: StoreDriver) -> None:
    lease = driver.running()
    driver.write(progress.freeze_engine, lease, FrozenEngine("whisper", "small", "abc"), [])
    driver.fail(lease)
    assert driver.try_claim(engine="auto") is None
    again = driver.write(claim_job, Claimant("w", 60, frozenset({("whisper", "small")}), False))
    assert isinstance(again, Claim)
    assert again.job.frozen == FrozenEngine("whisper", "small", "abc")


def test_a_job_that_lost_its_lease_runs_alone(driver: StoreDriver) -> None:
    lease = driver.running()
    driver.expire_lease(lease.job_id)
    driver.lose()
    assert driver.try_claim(busy=True) is None
    claim = driver.claim(busy=False)
    assert claim.exclusive
    driver.plan(claim.lease, 1)
    driver.commit(claim.lease, 0)
    driver.write(progress.finish_plan, claim.lease, 20.0, [])
    driver.fail(claim.lease)
    assert not driver.claim(busy=True).exclusive, "a committed window shows that it kills nobody"


def test_a_job_that_waits_to_run_alone_is_found_and_taken_first(driver: StoreDriver) -> None:
    shy = driver.running()
    driver.expire_lease(shy.job_id)
    driver.lose()
    driver.create("urgent", priority=9)
    claimant = Claimant("w1", 60, frozenset({("auto", ""), ("sphinx", "en")}), busy=True)
    assert driver.read(has_waiting_exclusive_job, claimant, 0)
    assert not driver.read(has_waiting_exclusive_job, claimant, 30), "it has not waited for so long"
    assert not driver.read(has_waiting_exclusive_job, Claimant("w1", 60, frozenset({("whisper", "")}), busy=True), 0), (
        "it cannot run it"
    )
    claim = driver.write(claim_job, Claimant("w1", 60, claimant.runnable, busy=False, for_starving=True))
    assert isinstance(claim, Claim)
    assert (claim.job.id, claim.exclusive) == (shy.job_id, True)
    assert not driver.read(has_waiting_exclusive_job, claimant, 0)
    assert driver.write(claim_job, Claimant("w1", 60, claimant.runnable, busy=False, for_starving=True)) is None
    assert driver.claim(busy=True).job.id == "urgent"


def test_a_job_in_backoff_is_not_claimed(driver: StoreDriver) -> None:
    lease = driver.running()
    driver.write(finish.fail, lease, OOPS, True, RetryPolicy(60.0, 60.0))
    assert driver.try_claim() is None
    assert 30 <= driver.events(lease.job_id)[-1].data["delay"] <= 60


_CLAIMER = """
import sys
from dictograph.store.jobs.claim import Claimant, claim_job, has_waiting_exclusive_job
from dictograph.store.database import Database
from dictograph.store.jobs.lease import RetryPolicy
db = Database.open(sys.argv[1])
who = Claimant(sys.argv[2], 60, frozenset({("auto", "")}), True)
while (claim := db.write_now(lambda c: claim_job(c, who))) is not None:
    print(claim.job.id, claim.job.attempt)
db.close_now()
"""


def test_two_processes_never_get_the_same_job(driver: StoreDriver, url: str) -> None:
    made = {driver.create().id for _ in range(60)}
    command = [sys.executable, "-W", "error", "-c", _CLAIMER, url]
    claimers = [subprocess.Popen([*command, f"w{n}"], stdout=subprocess.PIPE, text=True) for n in range(2)]
    outputs = [claimer.communicate(timeout=60)[0] for claimer in claimers]
    assert [claimer.returncode for claimer in claimers] == [0, 0]
    claimed = [line for output in outputs for line in output.splitlines()]
    assert sorted(claimed) == sorted(f"{id} 1" for id in made)


@pytest.mark.parametrize("busy", [True, False])
def test_the_claim_looks_at_no_row_that_is_not_pending(driver: StoreDriver, database: Database, busy: bool) -> None:
    """Every table access of the claim goes through an index of pending or running rows, or by id."""
    _fill_with_ended_jobs(driver)
    plan = _plan_of_the_claim(driver, database, busy)
    used = [line for line in plan if "Scan" in line or line.startswith(("SEARCH", "SCAN"))]
    no_tables = ("CTE Scan", "WorkTable Scan", "Subquery Scan", "SCAN owners", "SCAN runnable", "ROW")
    used = [line for line in used if not any(name in line for name in no_tables)]
    assert used
    for line in used:
        indexes = ("ix_job_claim", "ix_job_running", "ix_job_queue", "(id=?)", "pk_transcription_job")
        assert any(name in line for name in indexes), line


def _fill_with_ended_jobs(driver: StoreDriver) -> None:
    """As many as it takes for PostgreSQL to find an index worth its while."""
    driver.create("ended-0")
    driver.cancel("ended-0")
    columns = ", ".join(column.name for column in job.c if column.computed is None and column.name != "id")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    ended = f"INSERT INTO transcription_job (id, {columns}) {numbers} SELECT 'ended-' || n.i, {columns} "
    driver.write(lambda c: c.exec_driver_sql(f"{ended} FROM transcription_job, n"))
    for _ in range(5):
        driver.create()
    driver.write(lambda c: c.exec_driver_sql("ANALYZE transcription_job"))


def _plan_of_the_claim(driver: StoreDriver, database: Database, busy: bool) -> list[str]:
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(conn: Connection, cursor: object, statement: str, parameters: tuple[object, ...], *_: object) -> None:
        statements.append((statement, parameters))

    event.listen(database._backend.engine, "before_cursor_execute", note)
    driver.claim(busy=busy)
    event.remove(database._backend.engine, "before_cursor_execute", note)
    [(query, parameters)] = [found for found in statements if "RECURSIVE" in found[0]]
    if database._backend.engine.name == "sqlite":
        rows = database.read_now(lambda c: c.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", parameters).all())
        return [row[3] for row in rows]
    rows = database.write_now(lambda c: c.exec_driver_sql(f"EXPLAIN {query}", parameters).all())
    return [row[0].strip() for row in rows]
