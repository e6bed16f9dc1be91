"""The database goes away in the middle: no job is charged for it, and none is held by nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, update

from dictograph.bootstrap import Application
from dictograph.errors import DatabaseUnavailable
from dictograph.job import Job, JobStatus, Source, SourceKind
from dictograph.store import events, tables
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.claim import Claim
from tests.audio_files import write_noise
from tests.integration.worker.worker_driver import PLAIN, application, behave, until, upload


class Weather:
    """Stands before a database's writes: `down` refuses them all, `lose_claims` makes so many and loses the answer."""

    def __init__(self, opened: Application, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down = False
        self.lose_claims = 0
        self._write = opened.resources.database.write
        monkeypatch.setattr(opened.resources.database, "write", self._through)

    async def _through(self, query: Callable[[Connection], Any]) -> Any:
        if self.down:
            raise DatabaseUnavailable("The database is away.")
        answer = await self._write(query)
        if isinstance(answer, Claim) and self.lose_claims:
            self.lose_claims -= 1
            raise DatabaseUnavailable("The connection was lost.")
        return answer


async def _look(opened: Application, job: Job) -> Job:
    return await opened.services.jobs.get(None, job.id)


async def _log(opened: Application, job: Job) -> list[str]:
    told = await opened.resources.database.read(lambda c: events.read_events(c, job.id, 0))
    return [event.type for event in told]


async def _completed(opened: Application, job: Job) -> Job:
    async def ended() -> bool:
        return (await _look(opened, job)).status.ended

    await until(ended)
    return await _look(opened, job)


@pytest.mark.parametrize("seconds", [0.5, 4.0], ids=["shorter than the lease", "longer than the lease"])
def test_an_outage_is_no_failure_of_the_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    behave(folder, delay=0.2, max_batch=1)
    audio = write_noise(folder / "a.wav", 200, 1)

    async def test() -> None:
        async with application(folder, lease=2.0) as opened:
            weather = Weather(opened, monkeypatch)
            job = await upload(opened, audio)

            async def begun() -> bool:
                return (await _look(opened, job)).windows_done > 0

            async def noticed() -> bool:
                return f"job {job.id}: its outcome cannot be written yet" in caplog.text

            await until(begun)
            weather.down = True
            await asyncio.sleep(seconds)  # the length of the outage is what is tested
            await until(noticed)  # on a busy machine the next window takes longer
            weather.down = False
            done = await _completed(opened, job)
            assert (done.status, done.failures) == (JobStatus.COMPLETED, 0)
            assert done.attempt > 1  # on a busy machine so short a lease may be missed once more
            log = await _log(opened, job)
            assert "released" in log
            assert "retrying" not in log

    asyncio.run(test())


def test_a_claim_whose_answer_got_lost_is_given_back_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = write_noise(folder / "a.wav", 20, 1)

    async def test() -> None:
        async with application(folder, lease=3600.0) as opened:
            Weather(opened, monkeypatch).lose_claims = 1
            done = await _completed(opened, await upload(opened, audio))
            assert (done.status, done.failures, done.attempt) == (JobStatus.COMPLETED, 0, 2)

    asyncio.run(test())


def test_room_is_made_for_a_job_that_has_to_run_alone(folder: Path) -> None:
    """The worker is busy for long; a job that lost its lease may run beside nothing."""
    behave(folder, delay=0.3, max_batch=1)
    long, short = write_noise(folder / "long.wav", 900, 1), write_noise(folder / "short.wav", 20, 2)

    async def test() -> None:
        async with application(folder, lease=1.0) as opened:
            busy = await upload(opened, long)
            new = NewJob("shy", "local", short.name, Source(SourceKind.PATH, str(short)), PLAIN.options)

            def create(conn: Connection) -> Job:
                job = create_job(conn, new)
                conn.execute(update(tables.job).where(tables.job.c.id == "shy").values(alone=True))
                return job

            async def begun() -> bool:
                return (await _look(opened, busy)).windows_done > 0

            await until(begun)
            shy = await _completed(opened, await opened.resources.database.write(create))
            assert (shy.status, shy.failures) == (JobStatus.COMPLETED, 0)
            assert not (await _look(opened, busy)).status.ended
            behave(folder, delay=0.0)
            done = await _completed(opened, busy)
            assert (done.status, done.failures) == (JobStatus.COMPLETED, 0)
            assert "released" in await _log(opened, busy)

    asyncio.run(test())
