"""The storage is away, or something is missing from it: jobs wait, and only what stays missing fails in the end."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from dictograph.bootstrap import Application, open_application
from dictograph.job import Job, JobStatus
from dictograph.settings.loading import load
from dictograph.store.events import read_events
from tests.audio_files import write_noise
from tests.integration.worker.worker_driver import PLAIN, application, behave, until, upload


async def _accepted(folder: Path, *files: Path) -> list[Job]:
    """Jobs that a process without a worker has taken in."""
    settings = load({"data_dir": folder / "data"}, environment={}, folder=folder).settings
    async with open_application(settings, worker=False) as opened:
        return [await upload(opened, file) for file in files]


async def _ended(opened: Application, job: Job) -> Job:
    return await opened.services.jobs.wait_until_ended(None, job.id, 120)


@pytest.mark.parametrize("made", [True, False], ids=["the bare mount point", "no folder at all"])
def test_a_storage_that_is_not_mounted_yet_costs_no_job_an_attempt(
    folder: Path, caplog: pytest.LogCaptureFixture, made: bool
) -> None:
    audio = write_noise(folder / "a.wav", 10, 1)
    storage, away = folder / "data" / "blobs", folder / "away"

    async def test() -> None:
        [job] = await _accepted(folder, audio)
        storage.rename(away)
        if made:
            storage.mkdir()
        async with application(folder) as opened:
            other = (await opened.services.intake.path(PLAIN, str(audio))).job

            async def said() -> bool:
                readiness = await opened.services.status.readiness()
                return not readiness.ready and "is it mounted?" in readiness.reason

            await until(said)
            assert [(await opened.services.jobs.get(None, one.id)).attempt for one in (job, other)] == [0, 0]
            storage.rmdir()
            away.rename(storage)
            for one in (job, other):
                done = await _ended(opened, one)
                assert (done.status, done.attempt, done.failures) == (JobStatus.COMPLETED, 1, 0)

            async def ready() -> bool:
                return (await opened.services.status.readiness()).ready

            await until(ready)

    asyncio.run(test())
    assert caplog.text.count("is it mounted?") <= 2, "it is said when it begins, by the worker and by its readiness"


def test_audio_that_is_missing_alone_is_looked_for_again_and_its_job_dead_in_the_end(folder: Path) -> None:
    files = [write_noise(folder / f"{seed}.wav", 10, seed) for seed in (1, 2)]

    async def test() -> None:
        missing, there = await _accepted(folder, *files)
        (folder / "data" / "blobs" / missing.id / "0-audio").unlink()
        async with application(folder, weights_patience=0.2) as opened:
            assert (await _ended(opened, there)).status is JobStatus.COMPLETED
            done = await _ended(opened, missing)
            assert done.error is not None
            assert (done.status, done.error.code, done.failures) == (JobStatus.FAILED, "storage_unavailable", 3)
            log = await opened.resources.database.read(lambda c: read_events(c, missing.id, 0))
            assert [event.type for event in log].count("retrying") == 2

    asyncio.run(test())


def test_a_storage_that_is_new_and_empty_stands_in_nobodys_way(folder: Path) -> None:
    audio = write_noise(folder / "a.wav", 10, 1)

    async def test() -> None:
        async with application(folder) as opened:
            job = (await opened.services.intake.path(PLAIN, str(audio))).job
            assert (await _ended(opened, job)).status is JobStatus.COMPLETED

    asyncio.run(test())


def test_a_scratch_folder_that_is_removed_is_made_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    audio = write_noise(folder / "a.wav", 10, 1)
    scratch = folder / "data" / "scratch"

    async def test() -> None:
        async with application(folder) as opened:
            first = await _ended(opened, (await opened.services.intake.path(PLAIN, str(audio))).job)
            await asyncio.to_thread(shutil.rmtree, scratch)

            async def made_again() -> bool:
                return scratch.is_dir() and any(scratch.iterdir())

            await until(made_again)
            second = await _ended(opened, (await opened.services.intake.path(PLAIN, str(audio))).job)
            assert [(job.status, job.attempt) for job in (first, second)] == [(JobStatus.COMPLETED, 1)] * 2

    asyncio.run(test())
    assert f"the scratch folder {scratch}" in caplog.text


@pytest.mark.parametrize("max_attempts", [1, 3])
def test_a_scratch_folder_that_is_removed_under_a_job_costs_it_nothing(
    folder: Path, caplog: pytest.LogCaptureFixture, max_attempts: int
) -> None:
    audio = write_noise(folder / "a.wav", 300, 1)
    behave(folder, delay=0.3, max_batch=1)

    async def test() -> None:
        async with application(folder, max_attempts=max_attempts) as opened:
            job = (await opened.services.intake.path(PLAIN, str(audio))).job

            async def begun() -> bool:
                return (await opened.services.jobs.get(None, job.id)).windows_done > 1

            await until(begun)
            await asyncio.to_thread(shutil.rmtree, folder / "data" / "scratch")
            behave(folder)
            done = await _ended(opened, job)
            assert (done.status, done.failures, done.error) == (JobStatus.COMPLETED, 0, None)
            assert done.attempt > 1

    asyncio.run(test())
    assert "The scratch folder was removed while the job ran" in caplog.text
