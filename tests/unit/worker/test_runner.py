"""What an attempt comes to when it is stopped: before it begins, while it runs, while its outcome is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
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
from dictograph.job import ErrorRecord, Job, JobStatus, Lease, Options, Source, SourceKind
from dictograph.store import finish
from dictograph.store.claim import Claim
from dictograph.store.lease import RetryPolicy
from dictograph.worker import runner
from dictograph.worker.outcome import PlanChanged
from dictograph.worker.runner import Runner, Tools

NOW = datetime.now(UTC)
JOB = Job("j", "local", "a.wav", JobStatus.PROCESSING, Source(SourceKind.UPLOAD, ""), Options(), NOW, NOW)


class _Database:
    """Notes which outcome is written. `ready` lets it be written; the first `refusals` are refused."""

    def __init__(self, refusals: int = 0) -> None:
        self.asked, self.ready = asyncio.Event(), asyncio.Event()
        self.ready.set()
        self.written: list[str] = []
        self.refusals = refusals

    async def write(self, question: Callable[[Connection], Any]) -> Any:
        self.asked.set()
        await self.ready.wait()
        if self.refusals:
            self.refusals -= 1
            raise DatabaseUnavailable("Somebody holds its lock.")
        self.written.append(question.__qualname__.split(".")[1])
        return JOB


class _Tools:
    def __init__(self, folder: Path, database: _Database) -> None:
        self.scratch = folder
        self.database = database
        self.crash = self

    def reach(self, point: object) -> None:
        """No crash point is armed."""


class _Runner(Runner):
    """An attempt that does what it is told."""

    def __init__(self, folder: Path, database: _Database, work: Callable[[], Awaitable[None]]) -> None:
        tools = cast("Tools", _Tools(folder, database))
        super().__init__(tools, Claim(JOB, Lease("j", 1, "token"), alone=False), lambda: None)
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
    async def test() -> list[str]:
        database = _Database()
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        one.give_back_now()
        await task
        assert not one.begun.is_set()
        return database.written

    assert asyncio.run(test()) == ["_resolve"]


def test_one_that_is_stopped_while_it_runs_is_given_back(tmp_path: Path) -> None:
    async def test(work: Callable[[], Awaitable[None]]) -> list[str]:
        database = _Database()
        one = _Runner(tmp_path, database, work)
        task = one.start()
        await one.begun.wait()
        one.give_back_now()
        await task
        return database.written

    assert asyncio.run(test(_for_ever)) == ["_resolve"]
    assert asyncio.run(test(_fails_when_stopped)) == ["_resolve"], "it is charged for being stopped"


def test_one_that_is_stopped_while_its_outcome_is_written_keeps_it(tmp_path: Path) -> None:
    async def test(stop: Callable[[Runner], None]) -> list[str]:
        database = _Database()
        database.ready.clear()
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        await database.asked.wait()
        stop(one)
        database.ready.set()
        await task
        return database.written

    assert asyncio.run(test(Runner.give_back_now)) == ["_complete"]
    assert asyncio.run(test(Runner.lose)) == ["_complete"], "the keeper sees the end of a job before its runner does"


def test_an_outcome_is_written_again_until_it_can_be(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(runner, "_AGAIN_S", 0.01)

    async def test() -> list[str]:
        database = _Database(refusals=3)
        await _Runner(tmp_path, database, _nothing).start()
        return database.written

    assert asyncio.run(test()) == ["_complete"]


def test_and_no_longer_when_the_job_is_lost(tmp_path: Path) -> None:
    async def test() -> list[str]:
        database = _Database(refusals=1000)
        one = _Runner(tmp_path, database, _nothing)
        task = one.start()
        await database.asked.wait()
        one.lose()
        async with asyncio.timeout(10):
            await task
        return database.written

    assert asyncio.run(test()) == []


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

    async def test() -> list[str]:
        database = _Database()
        tools = cast("Tools", _Tools(tmp_path, database))
        one = _Changed(tools, Claim(JOB, Lease("j", 1, "token"), alone=False), lambda: None)
        task = one.start()
        await begun.wait()
        one.give_back_now()
        async with asyncio.timeout(10):
            await task
        return database.written

    assert asyncio.run(test()) == ["_resolve"]


def test_attempts_that_weights_or_storage_out_of_reach_ended_are_minutes_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: dict[str, float] = {}

    def fail(_: object, __: object, error: ErrorRecord, retryable: bool, policy: RetryPolicy) -> Job:
        waits[error.message] = policy.delay(1) if retryable else 0.0
        return JOB

    async def test(error: DictographError) -> None:
        async def fails() -> None:
            raise error

        one = _Runner(tmp_path, database, fails)
        await one.start()

    class Database(_Database):
        async def write(self, question: Callable[[Connection], Any]) -> Any:
            return question(cast("Connection", None))

    database = Database()
    monkeypatch.setattr(finish, "fail", fail)
    monkeypatch.setattr(_Tools, "policy", RetryPolicy(2, 300, patience=600), raising=False)
    patient = (ModelOutOfReach("out of reach"), StorageFull("full"), StorageUnavailable("away"))
    for error in (*patient, ModelUnavailable("nowhere"), EngineFailed("ill")):
        asyncio.run(test(error))
    assert all(60 <= waits[error.message] <= 600 for error in patient)
    assert waits["nowhere"] == 0
    assert 1 <= waits["ill"] <= 2
