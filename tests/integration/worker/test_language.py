"""The language of a recording that begins in silence, on the digest engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from dictograph.job import Job, JobStatus
from dictograph.worker import transcription
from tests.audio_files import write_wav
from tests.integration.worker.worker_driver import application, behave, upload


def recording(folder: Path, silence: int, sound: int) -> Path:
    noise = np.random.default_rng(1).integers(-9_000, 9_000, sound * 8_000).astype(np.int16)
    return write_wav(folder / "a.wav", np.concatenate([np.zeros(silence * 8_000, np.int16), noise]), 8_000)


async def heard(folder: Path, audio: Path) -> Job:
    behave(folder, languages=["de", "en"], detects={"de": 0.8, "en": 0.2}, detects_in_silence={"en": 1.0})
    async with application(folder) as opened:
        job = await upload(opened, audio)
        done = await opened.services.jobs.wait_until_ended(None, job.id, 30)
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
