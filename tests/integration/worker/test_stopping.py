"""A worker that stops leaves no job held, none charged for it, and nothing behind."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from dictograph.bootstrap import Application
from dictograph.errors import DatabaseUnavailable
from dictograph.job import JobStatus, Lease
from dictograph.store.jobs import finish
from dictograph.store.jobs.claim import Claim, Claimant, PutOff, claim_job
from dictograph.worker import claimer, worker_heartbeat
from dictograph.worker.claimer import Claimer
from tests.audio_files import write_noise
from tests.integration.worker.worker_driver import application, behave, rows, until, upload

STATE = "SELECT status, failures, lease_token, alone FROM transcription_job"
WAITING = ("pending", 0, None, 0)


class SlowClaim:
    """A claim whose transaction takes until `go` is set, or for ten seconds."""

    def __init__(self) -> None:
        self.under_way = threading.Event()
        self.go = threading.Event()

    def __call__(self, conn: Connection, claimant: Claimant) -> Claim | PutOff | None:
        claim = claim_job(conn, claimant)
        if claim is not None:
            self.under_way.set()
            self.go.wait(10)
        return claim


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_job_claimed_in_the_moment_of_stopping_is_given_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    slow, stop = SlowClaim(), Claimer.stop

    async def stop_meanwhile(stopping: Claimer, grace: float) -> None:
        slow.go.set()
        await stop(stopping, grace)

    async def test() -> None:
        async with application(folder, shutdown_grace=4) as opened:
            assert opened.worker is not None
            worker = opened.worker
            if busy:
                behave(folder, delay=0.5, max_batch=1)
                await upload(opened, write_noise(folder / "a.wav", 100, 1))
                await until(lambda: _running(worker, 1))
            monkeypatch.setattr(claimer, "claim_job", slow)
            monkeypatch.setattr(Claimer, "stop", stop_meanwhile)
            await upload(opened, write_noise(folder / "b.wav", 70, 2))
            await until(lambda: asyncio.to_thread(slow.under_way.is_set))

    asyncio.run(test())
    assert rows(folder, STATE) == [WAITING] * (1 + busy)


async def _running(worker: object, count: int) -> bool:
    return bool(worker.state()["running"] == count)  # type: ignore[attr-defined]


def test_without_any_grace_jobs_are_given_back_all_the_same(folder: Path) -> None:
    async def test() -> None:
        async with application(folder, shutdown_grace=0) as opened:
            await until(lambda: _is_ready(opened))
            behave(folder, delay=30)
            await upload(opened, write_noise(folder / "a.wav", 70, 1))
            await until(lambda: _is_planned(folder))

    asyncio.run(test())
    assert rows(folder, STATE) == [WAITING]
    assert not list((folder / "data" / "scratch").iterdir())


async def _is_ready(opened: Application) -> bool:
    return (await opened.services.status.readiness()).ready


async def _is_planned(folder: Path) -> bool:
    return bool(rows(folder, "SELECT 1 FROM transcription_job WHERE windows_planned > 0"))


def test_a_worker_that_cannot_say_goodbye_still_puts_its_things_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise DatabaseUnavailable("Somebody holds its lock.")

    async def test() -> None:
        async with application(folder) as opened:
            assert (folder / "data" / "scratch" / opened.resources.process_lock.id).is_dir()
            monkeypatch.setattr(worker_heartbeat, "forget", refuse)

    asyncio.run(test())
    assert not list((folder / "data" / "scratch").iterdir())


def test_an_outcome_is_written_once_the_database_can_be_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is charged for a database that was away for a moment."""
    refusals: list[Lease] = []

    def refuse_once(conn: Connection, lease: Lease) -> object:
        if not refusals:
            refusals.append(lease)
            raise DatabaseUnavailable("Somebody holds its lock.")
        return complete(conn, lease)

    complete = finish.complete
    monkeypatch.setattr(finish, "complete", refuse_once)

    async def test() -> None:
        async with application(folder) as opened:
            job = await upload(opened, write_noise(folder / "a.wav", 10, 1))
            done = await opened.services.jobs.wait_until_ended(None, job.id, 120)
            assert (done.status, done.attempt, done.failures) == (JobStatus.COMPLETED, 1, 0)

    asyncio.run(test())
    assert len(refusals) == 1
