"""How well the engines hear: the tiny Whisper on spoken digits, PocketSphinx on a recorded voice.

The tiny Whisper's own errors stand in tests/fixtures/tiny-whisper/README.md; the limits here leave
it little room, so that a fault in our decoding shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest

from dictograph.engine import sphinx
from dictograph.engine.protocol import EngineSpec, Window, WindowOptions, WindowResult
from dictograph.engine.whisper import engine as whisper
from tests.service import TINY
from tests.speech import RATE, VOICES, Samples, digit_strings, joined_digits, say, word_errors

JFK = Path(__file__).parents[2] / "fixtures" / "jfk.flac"
STRINGS = 60

#: Options.vad_speech_pad_ms, as it is by default.
MARGIN_S = 0.2


@pytest.fixture(scope="module")
def tiny() -> whisper.WhisperEngine:
    return whisper.load(
        EngineSpec(name="whisper", factory="dictograph.engine.whisper.engine:load", model="tiny", model_path=str(TINY))
    )


@cache
def said(voice: str) -> list[tuple[list[str], Window]]:
    """Digit strings, in windows as the pipeline cuts them: with MARGIN_S before and after the speech."""
    margin = np.zeros(int(MARGIN_S * RATE), np.int16)
    return [
        (text.split(), Window(np.concatenate([margin, say(text, voice), margin])))
        for text in digit_strings(VOICES[voice], STRINGS, seed=99)
    ]


def heard(result: WindowResult) -> list[str]:
    return " ".join(segment.text for segment in result.segments).split()


@pytest.mark.parametrize("voice", VOICES)
def test_digits_are_heard_with_at_most_one_and_a_half_percent_of_words_wrong(
    tiny: whisper.WhisperEngine, voice: str
) -> None:
    windows = [window for _, window in said(voice)]
    results = tiny.transcribe(windows, WindowOptions(language=VOICES[voice]))
    wrong = [
        (words, heard(result))
        for (words, _), result in zip(said(voice), results, strict=True)
        if words != heard(result)
    ]
    errors = sum(word_errors(*pair) for pair in wrong)
    total = sum(len(words) for words, _ in said(voice))
    assert errors / total <= 0.015, f"{errors} of {total} words: {wrong}"


@pytest.mark.parametrize("voice", VOICES)
def test_languages_are_told_apart(tiny: whisper.WhisperEngine, voice: str) -> None:
    found = tiny.detect([window for _, window in said(voice)[::2]])
    assert {max(shares, key=lambda code: shares[code]) for shares in found} == {VOICES[voice]}


def test_nineteen_of_twenty_word_times_are_within_a_third_of_a_second(tiny: whisper.WhisperEngine) -> None:
    chance = random.Random(7)
    away: list[float] = []
    strings = 0
    for language in ("en", "de"):
        spoken = [joined_digits(language, chance.randint(2, 6), chance) for _ in range(STRINGS // 2)]
        options = WindowOptions(language=language)
        results = tiny.transcribe([Window(one.samples) for one in spoken], options)
        for one, result in zip(spoken, results, strict=True):
            words = [word for segment in result.segments for word in segment.words]
            if [word.word for word in words] != [word for word, _, _ in one.words]:
                continue  # a word misheard: which of its neighbours is which, nobody can say
            strings += 1
            away += [
                max(abs(word.start - start), abs(word.end - end))
                for word, (_, start, end) in zip(words, one.words, strict=True)
            ]
    assert strings >= 0.7 * STRINGS
    within = float(np.mean([distance <= 0.35 for distance in away]))
    assert within >= 0.95, f"{within:.1%} of {len(away)} words; the 95th percentile is {np.quantile(away, 0.95):.2f} s"


def test_sphinx_hears_in_a_recorded_voice_what_a_fresh_decoder_hears() -> None:
    from pocketsphinx import Decoder

    engine = sphinx.load(EngineSpec(name="sphinx", factory="dictograph.engine.sphinx:load"))
    speech = recorded(JFK)
    fresh = Decoder(loglevel="FATAL")
    fresh.start_utt()
    fresh.process_raw(speech.tobytes(), full_utt=True)
    fresh.end_utt()
    _, result = engine.transcribe([Window(speech[: 2 * RATE]), Window(speech)], WindowOptions(language="en"))
    assert heard(result) == fresh.hyp().hypstr.split()
    assert "what you can do for your" in " ".join(heard(result))


def recorded(path: Path) -> Samples:
    """A recording as an engine gets it: 16 kHz, mono, 16 bits."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)

    def parts() -> Iterator[Samples]:
        with av.open(str(path)) as container:
            for frame in [*container.decode(audio=0), None]:
                yield from (part.to_ndarray()[0] for part in resampler.resample(frame))

    return np.concatenate(list(parts())).astype(np.int16)
