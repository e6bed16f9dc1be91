"""Noise is no certain speech, and speech is found, however loud: detector, speech finder and planner together."""

from __future__ import annotations

import numpy as np
import pytest

from dictograph.audio.plan import Planner, Span, quietest_point
from dictograph.audio.silero import Silero, model_file
from dictograph.audio.speech import Speech, SpeechRules, VadSpeechDetector
from dictograph.audio.vad import VadState
from dictograph.job import Options
from tests.voices import RATE, Samples, amplified, espeak, flite, noise, quantised, recording, silence


@pytest.fixture(scope="module")
def model() -> Silero:
    return Silero(model_file())


def windows(model: Silero, samples: Samples) -> list[Span]:
    def quietest(start: int, end: int) -> int:
        return start + quietest_point(samples[start:end])

    planner = Planner(Options(), quietest)
    return planner.feed(model.listen(samples, VadState.fresh())[0]) + planner.finish(len(samples))


def speech(model: Silero, samples: Samples) -> list[Speech]:
    """What is certain, and what is in doubt."""
    finder = VadSpeechDetector(SpeechRules.of(Options()))
    found = [*map(finder.push, model.listen(samples, VadState.fresh())[0].tolist()), finder.finish(len(samples))]
    return [one for one in found if one is not None]


def assert_none_certain(found: list[Speech]) -> None:
    """Nothing is certain, and a second and a half at most is in doubt."""
    assert [one for one in found if one.certain] == []
    assert sum(one.samples for one in found) <= 1.5 * RATE


@pytest.mark.parametrize("dbfs", [-60, -50, -40, -30, -20, -12, -9, -6])
@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
def test_noise_is_no_certain_speech(model: Silero, colour: str, dbfs: int) -> None:
    for seed in range(4):
        assert_none_certain(speech(model, noise(colour, dbfs, 30.0, seed)))


def test_silence_has_no_window(model: Silero) -> None:
    assert windows(model, silence(60)) == []
    assert windows(model, silence(60) + np.int16(12)) == []


@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
def test_noise_that_comes_and_goes_is_no_certain_speech(model: Silero, colour: str) -> None:
    parts = [part for seed in range(8) for part in (silence(1.5), noise(colour, -6, 1.0 + seed / 4, seed))]
    assert_none_certain(speech(model, np.concatenate(parts)))


def alone(word: Samples, gain: float, noise_below: float | None) -> Samples:
    """A word in three seconds of its own, over white noise so many dB below its loud parts."""
    samples = np.concatenate([silence(1), amplified(word, gain), silence(1)])
    if noise_below is None:
        return samples
    loud = samples[np.abs(samples.astype(int)) > np.abs(samples.astype(int)).max() / 20].astype(float)
    level = 20 * np.log10(np.sqrt(np.mean(loud**2)) / 32768) - noise_below
    return quantised(samples + noise("white", level, len(samples) / RATE, seed=5)[: len(samples)].astype(float))


def assert_found(model: Silero, word: Samples, samples: Samples) -> None:
    """There is one window, and it holds nearly all of the word's energy."""
    found = windows(model, samples)
    assert len(found) == 1
    word = np.concatenate([silence(1), word, silence(1)]).astype(float)
    inside = word[found[0].start : found[0].end]
    assert np.sum(inside**2) > 0.98 * np.sum(word**2)


@pytest.mark.parametrize(("gain", "noise_below"), [(0, None), (0, 20), (0, 12), (-20, None)])
@pytest.mark.parametrize("word", ["no", "yes", "one", "six", "eight", "stop"])
def test_a_single_short_word_is_found(model: Silero, word: str, gain: float, noise_below: float | None) -> None:
    for said in (espeak(word), espeak(word, "en-gb"), flite(word)):
        assert_found(model, said, alone(said, gain, noise_below))


@pytest.mark.parametrize("word", ["nein", "ja", "eins", "acht"])
def test_a_single_german_word_is_found(model: Silero, word: str) -> None:
    said = espeak(word, "de")
    assert_found(model, said, alone(said, 0, 20))


@pytest.mark.parametrize(("gain", "pink"), [(0, None), (0, -30.0), (-20, None), (-20, -50.0), (-40, None)])
def test_recorded_speech_is_found_at_any_level(model: Silero, gain: float, pink: float | None) -> None:
    speech = recording()
    samples = amplified(speech, gain)
    if pink is not None:
        samples = quantised(samples + noise("pink", pink, len(samples) / RATE, seed=3).astype(float)[: len(samples)])
    inside = sum(float(np.sum(speech[w.start : w.end].astype(float) ** 2)) for w in windows(model, samples))
    assert inside > 0.97 * float(np.sum(speech.astype(float) ** 2))


def test_a_sentence_is_one_window(model: Silero) -> None:
    said = flite("The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background.")
    found = windows(model, np.concatenate([silence(5), said, silence(5)]))
    assert len(found) == 1
    assert found[0].start < 5 * RATE + RATE // 5
    assert found[0].end > 5 * RATE + len(said) - RATE // 2
