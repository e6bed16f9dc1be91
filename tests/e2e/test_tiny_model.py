"""The whole service on a tiny, real Whisper: long recordings, restarts, and neighbours."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.audio_files import write_wav
from tests.service import TINY, Service, eventually, service
from tests.speech import DIGITS, say, word_errors

WHISPER: dict[str, Any] = {"engine": "whisper", "model": TINY, "extra_engines": ""}


def _is_further(one: Service, job: str, seconds: float) -> bool:
    """Tell whether a job has done more than that much of its audio, or all of it."""
    now = one.job(job)
    return now["seconds_done"] > seconds or now["status"] == "completed"


def _silence(seconds: float) -> NDArray[np.int16]:
    return np.zeros(int(seconds * 16_000), np.int16)


def _phrases(seed: int) -> Iterator[NDArray[np.int16]]:
    """Spoken strings of one to three digits, none twice in a row: the tiny model itself is apt to hear
    "two two" as "two", and that is not what is tried here."""
    rng, last = random.Random(seed), ""
    while True:
        words = rng.sample([digit for digit in DIGITS["en"] if digit != last], rng.randint(1, 3))
        last = words[-1]
        yield say(" ".join(words), "en-us")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for all who do no more than use it."""
    with service(tmp_path_factory.mktemp("shared"), **WHISPER, concurrency=8) as one:
        yield one


@pytest.fixture(scope="module")
def in_pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that does two windows at once, so that there is time to look at a job that runs."""
    with service(tmp_path_factory.mktemp("in_pairs"), **WHISPER, batch_size=2) as one:
        yield one


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    """Ten minutes of digits and silences of 0.5 to 12 s, and a file with each phrase alone."""
    folder, rng = tmp_path_factory.mktemp("digits"), random.Random(5)
    parts, seconds, alone = [_silence(1)], 1.0, []
    for number, samples in enumerate(_phrases(seed=5)):
        if seconds > 600:
            break
        gap = _silence(rng.choice((0.5, 1, 2.5, 4, 8, 12)))
        parts += [samples, gap]
        seconds += (len(samples) + len(gap)) / 16_000
        alone.append(write_wav(folder / f"{number}.wav", np.concatenate([_silence(0.5), samples, _silence(0.5)])))
    return write_wav(folder / "ten-minutes.wav", np.concatenate(parts)), alone


def _text(one: Service, job: str) -> str:
    return str(json.loads(one.transcript(job))["text"])


def test_ten_minutes_are_the_phrases_joined(shared: Service, ten_minutes: tuple[Path, list[Path]]) -> None:
    """None lost, doubled or out of order at a cut."""
    long, alone = ten_minutes
    job = shared.submit(long, language="en")
    parts = [shared.submit(phrase, language="en") for phrase in alone]
    assert shared.wait_for(job)["status"] == "completed"
    joined = " ".join(_text(shared, part) for part in parts if shared.wait_for(part)["status"] == "completed")
    said = _text(shared, job).split()
    assert word_errors(joined.split(), said) <= len(said) // 100, "a phrase alone may be read otherwise, rarely"


def test_a_killed_job_resumes_and_ends_byte_for_byte_the_same(
    shared: Service, tmp_path: Path, ten_minutes: tuple[Path, list[Path]]
) -> None:
    long = _beginning(ten_minutes[0], 300, tmp_path)
    options = {"word_timestamps": "true"}
    calm = shared.submit(long, **options)
    assert shared.wait_for(calm)["status"] == "completed"
    expected = shared.transcript(calm, "verbose_json")
    one = Service(tmp_path, **WHISPER)
    one.start().wait_until_up()
    job = one.submit(long, **options)
    for kill in range(3):
        done = one.job(job)["seconds_done"]
        eventually(functools.partial(_is_further, one, job, done))
        one.kill()
        one.start().wait_until_up()
        assert kill or one.job(job)["status"] != "completed", "the first kill came too late to show anything"
    assert one.wait_for(job)["status"] == "completed"
    assert _without_id(one.transcript(job, "verbose_json")) == _without_id(expected)
    one.stop()


def _without_id(document: str) -> str:
    shape = json.loads(document)
    shape.pop("id", None)
    return json.dumps(shape)


def test_a_note_sent_while_a_long_file_runs_ends_long_before_it(
    in_pairs: Service, tmp_path: Path, ten_minutes: tuple[Path, list[Path]]
) -> None:
    long, _ = ten_minutes
    spoken = [_silence(1), say("one two three four five", "en-us"), _silence(1)]
    note = write_wav(tmp_path / "note.wav", np.concatenate(spoken))
    job = in_pairs.submit(write_wav(tmp_path / "long.wav", np.tile(_samples_of(long), 4)))
    eventually(lambda: in_pairs.job(job)["seconds_done"] > 0)
    quick = in_pairs.submit(note)
    assert in_pairs.wait_for(quick)["status"] == "completed"
    at = in_pairs.job(job)
    assert at["status"] == "processing"
    assert at["progress"] < 0.7
    assert "one two three four five" in _text(in_pairs, quick)
    assert in_pairs.post(f"/v1/transcriptions/{job}/cancel").status_code == 200


def _beginning(path: Path, seconds: int, folder: Path) -> Path:
    return write_wav(folder / f"{seconds}s.wav", _samples_of(path)[: seconds * 16_000])


def _samples_of(path: Path) -> NDArray[np.int16]:
    return np.frombuffer(path.read_bytes()[44:], dtype="<i2")


def test_silence_and_noise_have_an_empty_transcript(shared: Service, tmp_path: Path) -> None:
    """Digital silence, and white, pink and brown noise from -60 to -6 dBFS."""
    _hears_nothing(shared, tmp_path)


def test_sphinx_hears_nothing_in_silence_and_noise_either(tmp_path: Path) -> None:
    with service(tmp_path, engine="sphinx", extra_engines="", concurrency=8) as one:
        _hears_nothing(one, tmp_path)


def _hears_nothing(one: Service, folder: Path) -> None:
    jobs = {name: one.submit(path) for name, path in _noises(folder).items()}
    texts = {name: _text(one, job) for name, job in jobs.items() if one.wait_for(job)["status"] == "completed"}
    assert texts == dict.fromkeys(jobs, "")


def _noises(folder: Path) -> dict[str, Path]:
    files = {"silence": write_wav(folder / "silence.wav", _silence(40))}
    for exponent, colour in ((0.0, "white"), (0.5, "pink"), (1.0, "brown")):
        for level in (-60, -40, -20, -6):
            name = f"{colour}{level}"
            files[name] = write_wav(folder / f"{name}.wav", _coloured(exponent, level, seed=level + 100))
    return files


def _coloured(exponent: float, level: float, seed: int) -> NDArray[np.int16]:
    """40 s of noise with a spectrum of 1/f^exponent in amplitude and an RMS of `level` dBFS."""
    count = 40 * 16_000
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(size=count))
    frequencies = np.maximum(np.fft.rfftfreq(count, 1 / 16_000), 20)
    samples = np.fft.irfft(spectrum / frequencies**exponent, count)
    samples *= 10 ** (level / 20) / np.sqrt(np.mean(samples**2))
    return (np.clip(samples, -1, 1) * 32767).astype(np.int16)


def test_the_language_is_told_from_the_speech(shared: Service, tmp_path: Path) -> None:
    german = np.concatenate([_silence(1), say("drei vier fünf sechs sieben", "de"), _silence(1)])
    english = np.concatenate([_silence(1), say("three four five six seven", "en-us"), _silence(1)])
    jobs = {
        language: shared.submit(write_wav(tmp_path / f"{language}.wav", samples))
        for language, samples in (("de", german), ("en", english))
    }
    for language, job in jobs.items():
        done = shared.wait_for(job)
        assert done["language"] == language
        assert 0.5 < done["language_probability"] <= 1


def test_words_refer_to_the_original_audio(shared: Service, tmp_path: Path) -> None:
    """A phrase after 50 s of silence has times after 50 s."""
    samples = np.concatenate([_silence(50), say("seven eight nine", "en-us"), _silence(2)])
    job = shared.submit(write_wav(tmp_path / "late.wav", samples), word_timestamps="true")
    shared.wait_for(job)
    words = json.loads(shared.transcript(job, "json"))["segments"][0]["words"]
    assert [word["word"].strip() for word in words] == ["seven", "eight", "nine"]
    assert all(49.5 < word["start"] < word["end"] < 53 for word in words)


def test_time_does_not_stand_still_for_readers(
    in_pairs: Service, tmp_path: Path, ten_minutes: tuple[Path, list[Path]]
) -> None:
    """Segments are there while the job runs, and the partial transcript is the beginning of the whole."""
    job = in_pairs.submit(_beginning(ten_minutes[0], 120, tmp_path))
    eventually(lambda: in_pairs.job(job)["seconds_done"] > 0)
    partial = _text(in_pairs, job)
    in_pairs.wait_for(job)
    assert partial
    assert _text(in_pairs, job).startswith(partial)
