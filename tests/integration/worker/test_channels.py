"""Jobs whose channels or tracks are transcribed side by side."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dictograph.bootstrap import Application
from dictograph.job import Job, JobStatus, Options
from dictograph.service.request import JobRequest
from dictograph.store.events import read_events
from dictograph.transcript import Segment
from tests.integration.worker.worker_driver import application, behave, rows, until
from tests.media import ffmpeg

SPLIT = JobRequest(Options.model_validate({"vad_filter": False, "channels": "split"}))


def noise(seconds: float, seed: int) -> list[object]:
    return ["-f", "lavfi", "-i", f"anoisesrc=r=8000:d={seconds}:a=0.3:seed={seed}"]


def call(folder: Path, seconds: float = 100) -> Path:
    """A file with two channels of different noise."""
    ffmpeg(*noise(seconds, 1), *noise(seconds, 2), "-filter_complex", "join=inputs=2", folder / "call.wav")
    return folder / "call.wav"


async def run(opened: Application, file: Path, **options: Any) -> Job:
    """Transcribe a file, all of which counts as speech."""
    wanted = JobRequest(Options.model_validate({"vad_filter": False, **options}))
    with file.open("rb") as data:
        job = (await opened.services.intake.upload(wanted, file.name, data)).job
    return await ended(opened, job)


async def ended(opened: Application, job: Job) -> Job:
    async def is_over() -> bool:
        return (await opened.services.jobs.get(None, job.id)).status.ended

    await until(is_over, 60)
    return await opened.services.jobs.get(None, job.id)


async def segments(opened: Application, job: Job) -> list[Segment]:
    transcript = await opened.services.transcripts.open(None, job.id)
    return await asyncio.to_thread(list, transcript.segments)


def test_each_party_of_a_call_has_its_own_windows_in_one_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with application(tmp_path) as opened:
            job = await run(opened, call(tmp_path), channels="split")
            assert (job.status, job.warnings, job.needs) == (JobStatus.COMPLETED, (), "channels")
            assert job.seconds_done == job.duration == pytest.approx(100, abs=0.1)
            windows = rows(tmp_path, "SELECT start_s, channel FROM transcription_window ORDER BY number")
            assert windows == sorted(windows)
            assert [channel for _, channel in windows].count(1) >= 4
            assert [channel for _, channel in windows].count(2) >= 4
            found = await segments(opened, job)
            assert {segment.channel for segment in found} == {1, 2}
            assert [segment.start for segment in found] == sorted(segment.start for segment in found)

    asyncio.run(test())


async def told(opened: Application, job: Job) -> list[dict[str, Any]]:
    """Return what the events tell of each window."""
    found = await opened.resources.database.read(lambda c: read_events(c, job.id, 0, 1000))
    return [dict(event.data) for event in found if event.type == "segments"]


def test_progress_never_goes_back(tmp_path: Path) -> None:
    async def test() -> None:
        async with application(tmp_path) as opened:
            job = await run(opened, call(tmp_path), channels="split")
            events = await told(opened, job)
            assert {event["channel"] for event in events} == {1, 2}
            assert all(a["seconds_done"] <= b["seconds_done"] for a, b in pairwise(events))

    asyncio.run(test())


def test_channels_with_the_same_sound_and_silent_ones_are_left_out_and_told(tmp_path: Path) -> None:
    graph = "pan=5c|c0=c0|c1=c0|c2=-1*c0|c3=0*c0|c4=0.9*c0"
    ffmpeg(*noise(40, 1), "-af", graph, tmp_path / "a.wav")

    async def test() -> None:
        async with application(tmp_path) as opened:
            job = await run(opened, tmp_path / "a.wav", channels="split")
            warned = [(warning["code"], warning["message"][:9]) for warning in job.warnings]
            assert warned == [
                ("silent_channel", "Channel 4"),
                ("same_channel", "Channel 2"),
                ("same_channel", "Channel 3"),
            ]
            assert {segment.channel for segment in await segments(opened, job)} == {1, 5}

    asyncio.run(test())


def test_a_job_that_goes_on_keeps_its_channels(tmp_path: Path) -> None:
    async def test() -> None:
        file = call(tmp_path)
        async with application(tmp_path) as opened:
            whole = await segments(opened, await run(opened, file, channels="split"))
        behave(tmp_path / "data" / "scratch", delay=0.5, max_batch=1)
        async with application(tmp_path) as opened:
            with file.open("rb") as data:
                job = (await opened.services.intake.upload(SPLIT, "again.wav", data)).job

            async def has_begun() -> bool:
                return (await opened.services.jobs.get(None, job.id)).windows_done >= 2

            await until(has_begun)
        behave(tmp_path / "data" / "scratch")
        async with application(tmp_path) as opened:
            before = await opened.services.jobs.get(None, job.id)
            assert 2 <= before.windows_done < len(whole)
            job = await ended(opened, job)
            assert job.attempt == 2
            assert await segments(opened, job) == whole

    asyncio.run(test())


@pytest.mark.parametrize(("track", "found"), [("each", {1, 2}), ("all", {None}), ("2", {None}), (None, {None})])
def test_tracks_side_by_side_mixed_or_alone(tmp_path: Path, track: str | None, found: set[int | None]) -> None:
    file = tmp_path / "a.mkv"
    ffmpeg(*noise(40, 1), *noise(20, 2), "-map", 0, "-map", 1, "-c:a", "pcm_s16le", file)

    async def test() -> None:
        async with application(tmp_path) as opened:
            job = await run(opened, file, **({"track": track} if track else {}))
            assert job.status is JobStatus.COMPLETED
            assert job.duration == pytest.approx(20 if track == "2" else 40, abs=0.1)
            assert [warning["code"] for warning in job.warnings] == ([] if track else ["tracks_left_out"])
            assert {segment.channel for segment in await segments(opened, job)} == found

    asyncio.run(test())
