"""Recorded speech is found: behind music, quiet, whispered, by telephone, at the very start, a word at a time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.calibrate.detection import Detector, seconds
from bench.calibrate.sounds import MARGIN_S, early, words
from dictograph.audio.speech import Span
from tests.field import silent, speech
from tests.field.sounds import FULL_RATE, PHONE_RATE, jfk, sound
from tests.needs import need
from tests.recordings import prompt, recordings
from tests.voices import recording


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.of()


def after(second: float, windows: list[Span]) -> float:
    """The seconds of the windows from a moment on."""
    first = int(second * FULL_RATE)
    return seconds([Span(max(w.start, first), w.end) for w in windows if w.end > first])


def heard(detector: Detector, file: Path) -> list[Span]:
    return detector.windows(sound(file, FULL_RATE))


@pytest.mark.parametrize("piece", [0, 4])
def test_speech_behind_a_minute_of_hold_music_is_found(detector: Detector, tmp_path: Path, piece: int) -> None:
    call, alone = (speech.call(folder(tmp_path, name), s, piece) for name, s in (("call", 60.0), ("alone", 0.0)))
    greeting = len(sound(prompt("en", "vm-review"), PHONE_RATE)) / PHONE_RATE
    kept = after(greeting + 60, heard(detector, call)) / after(greeting, heard(detector, alone))
    assert kept >= 0.98


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def test_the_first_sentence_behind_music_at_full_band_is_found(detector: Detector, tmp_path: Path) -> None:
    speech_s = seconds(detector.windows(jfk()))
    assert after(45, heard(detector, speech.intro(tmp_path))) >= 0.98 * speech_s


def test_speech_at_minus_sixty_decibels_is_found(detector: Detector, tmp_path: Path) -> None:
    assert seconds(heard(detector, speech.quiet(tmp_path))) >= 0.95 * seconds(detector.windows(jfk()))


def test_a_word_at_sample_0_is_found(detector: Detector, tmp_path: Path) -> None:
    samples = sound(speech.cut_start(tmp_path), FULL_RATE)
    assert detector.speech(samples)[0].start < 0.2 * FULL_RATE
    assert detector.windows(samples)[0].start == 0


def test_each_short_answer_is_found(detector: Detector, tmp_path: Path) -> None:
    found = detector.speech(sound(speech.short_answers(tmp_path), FULL_RATE))
    at = 3.0
    for name in speech.ANSWERS:
        length = len(sound(prompt("en", name), PHONE_RATE)) / PHONE_RATE
        inside = [s for s in found if s.end > at * FULL_RATE and s.start < (at + length) * FULL_RATE]
        assert inside, name
        at += length + 3


@pytest.mark.parametrize(("db", "most"), [(0.0, 1), (-20.0, 3)])
def test_single_words_are_found(detector: Detector, db: float, most: int) -> None:
    sounds = words(recordings(), db)
    assert len(sounds) >= 371
    assert detector.missed(sounds) <= most


def test_single_words_are_found_at_the_very_start(detector: Detector) -> None:
    assert detector.missed(early(words(recordings()))[::3]) <= 1


def test_whispering_is_found(detector: Detector, tmp_path: Path) -> None:
    said = tmp_path / "whisper.wav"
    text = "Please do not tell anyone about this. I will meet you at the station at half past nine tomorrow morning."
    subprocess.run([need("espeak-ng"), "-v", "en-us+whisper", "-w", said, text], check=True, capture_output=True)
    samples = recording(said)
    assert seconds(detector.windows(samples)) >= 0.85 * len(samples) / FULL_RATE


@pytest.mark.parametrize("seconds_before", [0.0, MARGIN_S])
def test_a_telephone_in_a_film_is_found(detector: Detector, seconds_before: float) -> None:
    """A narrow band, and clipped."""
    spectrum = np.fft.rfft(jfk())
    frequencies = np.fft.rfftfreq(len(jfk()), 1 / FULL_RATE)
    spectrum[(frequencies < 500) | (frequencies > 2500)] = 0
    narrow = np.fft.irfft(spectrum, len(jfk()))
    clipped = (np.clip(narrow * 10, -12_000, 12_000)).astype(np.int16)
    samples = np.concatenate([np.zeros(int(seconds_before * FULL_RATE), np.int16), clipped])
    assert seconds(detector.windows(samples)) >= 0.9 * seconds(detector.windows(jfk()))


@pytest.mark.parametrize("recipe", [silent.hold, silent.signals])
def test_nothing_is_certain_where_nobody_speaks(detector: Detector, tmp_path: Path, recipe: object) -> None:
    assert callable(recipe)
    found = detector.speech(sound(recipe(tmp_path), FULL_RATE))
    assert [s for s in found if s.certain] == []
    assert seconds(found) < 10
