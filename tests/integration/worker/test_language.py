"""The language of a recording that begins in silence, on the digest engine."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dictograph.bootstrap import Application
from dictograph.job import KNOWN_NEEDS, Job, JobStatus, Options
from dictograph.service.request import JobRequest
from dictograph.transcript import Segment
from dictograph.worker import transcription
from tests.audio_files import write_wav
from tests.integration.worker.worker_driver import application, behave, until, upload


def recording(folder: Path, silence: int, sound: int) -> Path:
    noise = np.random.default_rng(1).integers(-9_000, 9_000, sound * 8_000).astype(np.int16)
    return write_wav(folder / "a.wav", np.concatenate([np.zeros(silence * 8_000, np.int16), noise]), 8_000)


async def heard(folder: Path, audio: Path) -> Job:
    behave(folder, languages=["de", "en"], detects={"de": 0.8, "en": 0.2}, detects_in_silence={"en": 1.0})
    async with application(folder) as opened:
        job = await upload(opened, audio)
        done = await opened.services.jobs.wait_until_ended(None, job.id, 120)
        assert done.status is JobStatus.COMPLETED
        return done


@pytest.mark.parametrize("sound", [20, 150])
def test_the_language_is_that_of_the_first_windows_that_sound(folder: Path, sound: int) -> None:
    job = asyncio.run(heard(folder, recording(folder, 150, sound)))
    assert (job.language, job.windows_done) == ("de", job.windows_planned)
    assert job.duration == 150 + sound


def test_where_nothing_sounds_the_engine_says_what_it_takes_silence_for(folder: Path) -> None:
    assert asyncio.run(heard(folder, recording(folder, 150, 0))).language == "en"


def test_sound_is_not_waited_for_without_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcription, "_LONGEST_OPENING", 3)
    assert asyncio.run(heard(folder, recording(folder, 150, 30))).language == "en"


LOUDNESS = {"de": 1_000, "en": 3_700, "fr": 7_000}
HEARS = [[0.99, "de"], [0.95, "en"], [0.97, "fr"]]


def in_turn(folder: Path, *languages: str, seconds: int = 28) -> Path:
    """Noise whose loudness says to the digest engine which language it is; each part ends in two seconds of silence."""
    noise, pause = np.random.default_rng(1).uniform(-1, 1, (seconds - 2) * 16_000), np.zeros(32_000, np.int16)
    parts = [part for one in languages for part in ((noise * LOUDNESS[one]).astype(np.int16), pause)]
    return write_wav(folder / f"{seconds}.wav", np.concatenate(parts), 16_000)


async def done(folder: Path, audio: Path, **options: Any) -> tuple[Job, list[Segment]]:
    async with application(folder) as opened:
        return await ended(opened, await upload(opened, audio, JobRequest(Options(vad_filter=False, **options))))


async def ended(opened: Application, job: Job) -> tuple[Job, list[Segment]]:
    job = await opened.services.jobs.wait_until_ended(None, job.id, 60)
    assert job.status is JobStatus.COMPLETED, job.error
    transcript = await opened.services.transcripts.open(None, job.id)
    return job, await asyncio.to_thread(list, transcript.segments)


def test_windows_that_are_certainly_in_another_language_are_told_with_their_times(folder: Path) -> None:
    behave(folder, languages=["de", "en", "fr"], detects={"de": 0.9, "en": 0.1}, hears=HEARS)
    job, segments = asyncio.run(done(folder, in_turn(folder, "de", "fr", "fr", "de", "en"), language="de"))
    told = [(w["code"], w["start"], w["end"]) for w in job.warnings if w["code"] == "other_language"]
    times = [pytest.approx(seconds, abs=1.5) for seconds in (27, 83, 111, 139)]
    assert told == [("other_language", *times[:2]), ("other_language", *times[2:])]
    assert (job.language, {segment.language for segment in segments}) == ("de", {None})


def test_with_multilingual_segments_carry_their_language_and_the_job_the_one_most_spoken(folder: Path) -> None:
    behave(folder, languages=["de", "en", "fr"], detects={"de": 0.9, "en": 0.1}, hears=HEARS)
    audio = in_turn(folder, "de", "fr", "fr", "en", "fr", seconds=8)
    job, segments = asyncio.run(done(folder, audio, multilingual=True))
    assert [segment.language for segment in segments][:5] == ["de", "fr", "fr", "en", "fr"]
    assert (job.language, job.language_probability, job.warnings) == ("fr", 0.97, ())


def test_jobs_that_go_on_come_to_the_same_languages_and_warnings(folder: Path) -> None:
    hears = {"languages": ["de", "en", "fr"], "detects": {"de": 0.9, "en": 0.1}, "hears": HEARS}
    orders: list[tuple[Path, dict[str, Any]]] = [
        (in_turn(folder, "de", "fr", "fr", "en", "fr", "fr", seconds=8), {"multilingual": True}),
        (in_turn(folder, "de", "fr", "fr", "en", "de", "fr", seconds=28), {"language": "de"}),
    ]

    async def begin(opened: Application) -> list[Job]:
        return [await upload(opened, a, JobRequest(Options(vad_filter=False, **how))) for a, how in orders]

    async def end(opened: Application, jobs: Sequence[Job]) -> list[tuple[Job, list[Segment]]]:
        return [await ended(opened, job) for job in jobs]

    async def interrupted() -> list[Job]:
        behave(folder, delay=0.5, max_batch=1, **hears)
        async with application(folder, shutdown_grace=1) as opened:
            jobs = await begin(opened)

            async def have_begun() -> bool:
                return all([(await opened.services.jobs.get(None, job.id)).windows_done >= 2 for job in jobs])

            await until(have_begun, 60)
        return jobs

    async def test() -> None:
        begun = await interrupted()
        behave(folder, **hears)
        async with application(folder) as opened:
            resumed, whole = await end(opened, begun), await end(opened, await begin(opened))
        for (job, segments), (uninterrupted, same) in zip(resumed, whole, strict=True):
            assert (job.attempt, uninterrupted.attempt) == (2, 1)
            assert segments == same
            assert (job.language, job.language_probability) == (
                uninterrupted.language,
                uninterrupted.language_probability,
            )
            assert job.warnings == uninterrupted.warnings
        codes = [[warning["code"] for warning in job.warnings] for job, _ in resumed]
        assert [job.language for job, _ in resumed] == ["fr", "de"]
        assert codes == [[], ["other_language"] * 3]

    asyncio.run(test())


def test_a_language_that_was_hardly_decided_is_told(folder: Path) -> None:
    behave(folder, languages=["de", "en"], detects={"de": 0.6, "en": 0.4})
    job, _ = asyncio.run(done(folder, in_turn(folder, "de", seconds=5)))
    assert [warning["code"] for warning in job.warnings] == ["language_uncertain"]


def test_the_language_is_chosen_among_those_of_the_job(folder: Path) -> None:
    behave(folder, languages=["de", "en", "nl"], detects={"nl": 0.7, "de": 0.27, "en": 0.03})
    job, _ = asyncio.run(done(folder, in_turn(folder, "de", seconds=5), language=["de", "en"]))
    assert (job.language, job.language_probability, job.warnings) == ("de", 0.9, ())


def test_a_job_in_several_languages_waits_for_a_worker_that_knows_them() -> None:
    assert Options(language=["de", "en"]).needs == Options(multilingual=True).needs == "languages"
    assert Options(language=["de"]).needs == Options(language="de").needs == ""
    assert "languages" in KNOWN_NEEDS
