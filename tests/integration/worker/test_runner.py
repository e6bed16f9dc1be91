"""What an attempt comes to when it is stopped: before it begins, while it runs, while its outcome is written."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import Connection

from dictograph.errors import (
    DatabaseUnavailable,
    DictographError,
    EngineFailed,
    ModelOutOfReach,
    ModelUnavailable,
    StorageFull,
    StorageUnavailable,
)
from dictograph.job import JobStatus
from dictograph.runtime.crash import CrashPoints
from dictograph.store.database import Database
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.migrate import upgrade
from dictograph.worker import runner
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.attempt.outcome import PlanChanged
from dictograph.worker.runner import Runner
from tests.integration.store.store_driver import StoreDriver

POLICY = RetryPolicy(2, 300, patience=600)
GIVEN_BACK, COMPLETED = (JobStatus.PENDING, 0), (JobStatus.COMPLETED, 0)


class _Database:
    """A database with one claimed job that lacks only its end. `ready` lets it be written; the first `refusals` writes
    are refused."""

    def __init__(self, folder: Path, refusals: int = 0) -> None:
        url = f"sqlite:///{tempfile.mkdtemp(dir=folder)}/dictograph.db"
        upgrade(url)
        self.driver = StoreDriver(Database.open(url))
        self.read = self.driver.database.read
        self.asked, self.ready = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.refusals = refusals
        self.driver.create("j")
        self.claim = self.driver.claim()
        self.driver.plan(self.claim.lease, 1)
        self.driver.commit(self.claim.lease, 0)
        self.driver.finish_plan(self.claim.lease)

    async def write(self, query: Callable[[Connection], Any]) -> Any:
        self.asked.set()
        await self.ready.wait()
        if self.refusals:
            self.refusals -= 1
            raise DatabaseUnavailable("Somebody holds its lock.")
        return await self.driver.database.write(query)

    def close(self) -> tuple[JobStatus, int]:
        """Return the job's state, and the number of failures that it was charged with."""
        job = self.driver.job("j")
        self.driver.database.close_now()
        return job.status, job.failures


class _Tools:
    """What an attempt asks for that fetches nothing and runs no engine."""

    def __init__(self, folder: Path, database: _Database) -> None:
        self.sources = SimpleNamespace(in_place=False)
        self.scratch = folder / "scratch"
        self.database = database
        self.crash = CrashPoints()
        self.policy = POLICY


class _Runner(Runner):
    """An attempt that does what it is told."""

    def __init__(self, folder: Path, database: _Database, work: Callable[[], Awaitable[None]]) -> None:
        super().__init__(cast("WorkerContext", _Tools(folder, database)), database.claim, lambda: None)
        self._work = work
        self.begun = asyncio.Event()

    async def _run(self) -> None:
        self.begun.set()
        await self._work()


async def _nothing() -> None:
    return None


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _fails_when_stopped() -> None:
    try:
        await _for_ever()
    except asyncio.CancelledError:
        raise EngineFailed("It was ended in the middle.") from None


def test_one_that_is_stopped_before_it_began_is_given_back(tmp_path: Path) -> None:
    async def test() -> tuple[JobStatus, int]:
        database = _Database(tmp_path)
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        one.release_now()
        await task
        assert not one.begun.is_set()
        return database.close()

    assert asyncio.run(test()) == GIVEN_BACK


def test_one_that_is_stopped_while_it_runs_is_given_back(tmp_path: Path) -> None:
    async def test(work: Callable[[], Awaitable[None]]) -> tuple[JobStatus, int]:
        database = _Database(tmp_path)
        one = _Runner(tmp_path, database, work)
        task = one.start()
        await one.begun.wait()
        one.release_now()
        await task
        return database.close()

    assert asyncio.run(test(_for_ever)) == GIVEN_BACK
    assert asyncio.run(test(_fails_when_stopped)) == GIVEN_BACK, "it is charged for being stopped"


def test_one_that_is_stopped_while_its_outcome_is_written_keeps_it(tmp_path: Path) -> None:
    async def test(stop: Callable[[Runner], None]) -> tuple[JobStatus, int]:
        database = _Database(tmp_path)
        database.ready.clear()
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        await database.asked.wait()
        stop(one)
        database.ready.set()
        await task
        return database.close()

    assert asyncio.run(test(Runner.release_now)) == COMPLETED
    assert asyncio.run(test(Runner.cancel_lost)) == COMPLETED, "the keeper sees the end of a job before its runner does"


def test_an_outcome_is_written_again_until_it_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_AGAIN_S", 0.01)

    async def test() -> tuple[JobStatus, int]:
        database = _Database(tmp_path, refusals=3)
        await _Runner(tmp_path, database, _nothing).start()
        return database.close()

    assert asyncio.run(test()) == COMPLETED


def test_and_no_longer_when_the_job_is_lost(tmp_path: Path) -> None:
    async def test() -> tuple[JobStatus, int]:
        database = _Database(tmp_path, refusals=1000)
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        await database.asked.wait()
        one.cancel_lost()
        async with asyncio.timeout(60):
            await task
        return database.close()

    assert asyncio.run(test()) == (JobStatus.PROCESSING, 0)


def test_audio_that_decodes_differently_in_the_moment_of_stopping_is_not_begun_again(tmp_path: Path) -> None:
    """A task group that was cancelled raises what its tasks raised, and the cancellation is gone."""
    begun = asyncio.Event()

    class _Changed(Runner):
        async def _fetch(self) -> Any:
            return None

        async def _choose_engine(self) -> Any:
            return None

        async def _transcribe(self, *_: object) -> None:
            begun.set()
            try:
                await _for_ever()
            except asyncio.CancelledError:
                raise PlanChanged from None

    async def test() -> tuple[JobStatus, int]:
        database = _Database(tmp_path)
        one = _Changed(cast("WorkerContext", _Tools(tmp_path, database)), database.claim, lambda: None)
        task = one.start()
        await begun.wait()
        one.release_now()
        async with asyncio.timeout(60):
            await task
        return database.close()

    assert asyncio.run(test()) == GIVEN_BACK


@pytest.mark.parametrize(
    ("error", "shortest", "longest"),
    [
        (ModelOutOfReach("out of reach"), 60, 600),
        (StorageFull("full"), 60, 600),
        (StorageUnavailable("away"), 60, 600),
        (EngineFailed("ill"), 1, 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_attempts_that_weights_or_storage_out_of_reach_ended_are_minutes_apart(
    tmp_path: Path, error: DictographError, shortest: float, longest: float
) -> None:
    async def fails() -> None:
        raise error

    async def test() -> float:
        database = _Database(tmp_path)
        await _Runner(tmp_path, database, fails).start()
        told = database.driver.events("j")[-1]
        assert (told.type, told.data["error"]["message"]) == ("retrying", error.message)
        assert database.close() == (JobStatus.PENDING, 1)
        return float(told.data["delay"])

    assert shortest <= asyncio.run(test()) <= longest


def test_a_model_that_is_nowhere_is_not_tried_again(tmp_path: Path) -> None:
    async def fails() -> None:
        raise ModelUnavailable("nowhere")

    async def test() -> tuple[JobStatus, int]:
        database = _Database(tmp_path)
        await _Runner(tmp_path, database, fails).start()
        return database.close()

    assert asyncio.run(test()) == (JobStatus.FAILED, 1)
