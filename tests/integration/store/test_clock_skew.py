"""A clock that was set back makes nobody wait longer than the longest wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from dictograph.runtime.process_lock import ProcessLock
from dictograph.store import clock_skew, outbox
from dictograph.store.clock import now_epoch, read_clock
from dictograph.store.jobs import finish
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.tables import job
from dictograph.store.tables import outbox as messages
from dictograph.worker.leases import reaper
from tests.integration.store.store_driver import OOPS, StoreDriver
from tests.service import eventually

LONGEST = 300.0


def _as_if_created_before_the_clock_was_set_back(conn: Connection, id: str, seconds: float, failures: int = 0) -> None:
    change = update(job).where(job.c.id == id)
    conn.execute(change.values(available_at=now_epoch() + seconds, failures=failures))
    conn.execute(update(messages).where(messages.c.job_id == id).values(available_at=now_epoch() + seconds))


def _wait(driver: StoreDriver, id: str) -> float:
    return float(driver.column(id, "available_at") - driver.read(read_clock))


def test_a_new_job_from_the_future_is_claimed_at_once(driver: StoreDriver) -> None:
    for id, seconds in (("far", 3600.0), ("near", 60.0)):
        driver.create(id)
        driver.write(_as_if_created_before_the_clock_was_set_back, id, seconds)
    assert driver.try_claim() is None
    assert driver.write(clock_skew.clamp_delays, LONGEST, 60.0) == 2
    assert {driver.claim().job.id, driver.claim().job.id} == {"far", "near"}


def test_a_retry_waits_for_no_longer_than_the_longest_wait(driver: StoreDriver) -> None:
    for id, seconds in (("far", 3600.0), ("near", 60.0)):
        driver.create(id)
        driver.write(_as_if_created_before_the_clock_was_set_back, id, seconds, 1)
    assert driver.write(clock_skew.clamp_delays, LONGEST, 60.0) == 1
    assert _wait(driver, "far") <= 0
    assert 50 < _wait(driver, "near") <= 60, "this may be what it was told to wait"


def test_messages_are_sent_no_later_than_after_the_longest_wait(driver: StoreDriver) -> None:
    driver.create("far")
    driver.write(_as_if_created_before_the_clock_was_set_back, "far", 3600.0)
    assert driver.read(outbox.due, 10) == []
    driver.write(clock_skew.clamp_delays, LONGEST, 60.0)
    assert [message.job_id for message in driver.read(outbox.due, 10)] == ["far"]


def test_running_jobs_are_left_as_they_are(driver: StoreDriver) -> None:
    held = driver.running()
    driver.write(_as_if_created_before_the_clock_was_set_back, held.job_id, 3600.0)
    before = driver.read(lambda conn: conn.execute(select(job)).one())
    assert driver.write(clock_skew.clamp_delays, LONGEST, 60.0) == 0
    assert driver.read(lambda conn: conn.execute(select(job)).one()) == before


@asynccontextmanager
async def _reaping(database: Any, folder: Path, policy: RetryPolicy, lease_s: float = 30.0) -> AsyncIterator[None]:
    with closing(ProcessLock(folder / "processes")) as process_lock:
        agent = reaper.Reaper(database, process_lock, folder, policy, lease_s)
        task = asyncio.create_task(agent.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _eventually(query: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, query, 20)


def test_a_reaper_that_begins_leaves_the_longest_wait_there_is(driver: StoreDriver, tmp_path: Path) -> None:
    """Weights that cannot be had are waited for longer than anything else."""
    policy = RetryPolicy(2.0, 300.0, patience=2000.0)
    patient = driver.running()
    driver.write(finish.fail, patient, OOPS, True, policy.patient())
    driver.create("far")
    driver.write(_as_if_created_before_the_clock_was_set_back, "far", 3600.0)

    async def test() -> None:
        async with _reaping(driver.database, tmp_path, policy):
            await _eventually(lambda: _wait(driver, "far") <= 0)

    before = driver.column(patient.job_id, "available_at")
    asyncio.run(test())
    assert _wait(driver, patient.job_id) > 300
    assert driver.column(patient.job_id, "available_at") == before


class _SlowCommits:
    """A database whose commits take a minute, every other one."""

    def __init__(self, driver: StoreDriver) -> None:
        self._bench = driver
        self.now = 1000.0
        self.looks = 0

    async def write(self, query: Callable[[Connection], Any]) -> Any:
        answer = await self._bench.database.write(query)
        self.looks += 1
        self.now += 60.0 * (self.looks % 2)
        return answer


def test_a_slow_commit_is_no_clock_that_was_set_back(
    driver: StoreDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = _SlowCommits(driver)
    monkeypatch.setattr(reaper, "_TURN_S", 0.0)
    monkeypatch.setattr(reaper, "read_clock", lambda _: 2e9 + slow.now)
    monkeypatch.setattr(reaper, "time", SimpleNamespace(monotonic=lambda: slow.now))

    async def test() -> None:
        async with _reaping(slow, tmp_path, RetryPolicy(2.0, 300.0), lease_s=0.0):
            await _eventually(lambda: slow.looks > 3)
            await asyncio.to_thread(driver.create, "far")
            change = _as_if_created_before_the_clock_was_set_back
            await asyncio.to_thread(driver.write, change, "far", 3600.0)
            seen = slow.looks
            await _eventually(lambda: slow.looks > seen + 6)
        assert _wait(driver, "far") > 3000

    asyncio.run(test())
