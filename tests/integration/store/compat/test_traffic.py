"""What a contract's jobs are doing, on each database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, event

from dictograph.contract import Contract
from dictograph.store.compat.traffic import Traffic, traffic
from dictograph.store.jobs import control
from tests.integration.store.store_driver import StoreDriver


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


def test_nothing_is_nothing(driver: StoreDriver, start: datetime) -> None:
    driver.create(contract=Contract.NATIVE)
    driver.claim()
    assert driver.read(traffic, Contract.GATEWAY, start) == Traffic()


def test_jobs_are_counted_by_what_they_do(driver: StoreDriver, start: datetime) -> None:
    made = [driver.create(owner=f"owner{number}", contract=Contract.GATEWAY) for number in range(5)]
    driver.create(owner="other", contract=Contract.PATH)
    driver.whole(driver.claim().lease, 1)
    running = driver.claim().job
    waiting = next(job for job in made if driver.job(job.id).status == "pending")
    driver.write(control.cancel, None, waiting.id)
    found = driver.read(traffic, Contract.GATEWAY, start)
    assert (found.waiting, found.completed, found.failed) == (2, 1, 1)
    [one] = found.running
    assert (one.id, one.owner, one.filename) == (running.id, running.owner, running.filename)
    assert one.started_at == driver.job(running.id).started_at
    later = driver.read(traffic, Contract.GATEWAY, datetime.now(UTC) + timedelta(hours=1))
    assert (later.waiting, later.completed, later.failed) == (2, 0, 0)


def test_what_has_ended_long_ago_is_not_looked_at(driver: StoreDriver, kind: str, start: datetime) -> None:
    """However many those are: an index leads to the ones that count."""
    if kind != "sqlite":
        pytest.skip("PostgreSQL chooses by the sizes of tables, and these are empty")
    asked: list[tuple[str, tuple[object, ...]]] = []

    def ask(conn: Connection) -> list[str]:
        event.listen(conn, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        traffic(conn, Contract.GATEWAY, start)
        questions = tuple(asked)
        return [
            str(row[3])
            for statement, values in questions
            for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        ]

    found = [step for step in driver.read(ask) if step.startswith(("SEARCH", "SCAN"))]
    assert len(found) == 3
    assert all("INDEX ix_job_" in step for step in found), found
    assert "ix_job_finished " in found[2]
