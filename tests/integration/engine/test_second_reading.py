"""Speech for which the first reading has no words is read again: real Whisper, recorded people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dictograph.engine.protocol import SAMPLE_RATE, EngineSpec, Window, WindowOptions, WindowResult
from dictograph.engine.whisper import engine as whisper
from tests import weights
from tests.engines.early import end_early
from tests.field.sounds import FULL_RATE, pause, sound
from tests.recordings import librivox, music, prompt, prompts

ENGLISH = WindowOptions(language="en")


@pytest.fixture
def engine() -> whisper.WhisperEngine:
    return whisper.load(EngineSpec("whisper", "", "base", str(weights.base()), threads=2))


def spoken(*files: Path, gap: float = 0.6) -> Window:
    """A window of recordings with pauses, and where in it somebody speaks."""
    parts, spans, at = [], [], gap
    for file in files:
        samples = sound(file, FULL_RATE)
        spans.append((at, at + len(samples) / SAMPLE_RATE))
        parts += [pause(gap, FULL_RATE), samples]
        at = spans[-1][1] + gap
    return Window(np.concatenate([*parts, pause(gap, FULL_RATE)]), 0.0, tuple(spans))


def words(result: WindowResult) -> list[str]:
    text = " ".join(segment.text for segment in result.segments).lower()
    return "".join(char if char.isalnum() or char in " '" else " " for char in text).split()


def test_a_window_that_ends_early_is_read_to_its_end(engine: whisper.WhisperEngine) -> None:
    sentences = [one.path for one in librivox()]
    windows = [spoken(*sentences[first : first + 3]) for first in range(3)]
    windows += [spoken(*(one.path for one in prompts("en")[n : n + 5])) for n in range(0, 30, 5)]
    whole = engine.transcribe(windows, ENGLISH)
    left_out = end_early(engine._model)
    again = engine.transcribe(windows, ENGLISH)
    assert left_out, "no window ended early"
    for before, after in zip(whole, again, strict=True):
        lost = set(words(before)) - set(words(after))
        assert len(lost) <= 1, f"{lost} are lost: {words(after)}"


def test_a_second_reading_is_a_pure_function_of_the_window(engine: whisper.WhisperEngine) -> None:
    end_early(engine._model, one_in=1)
    sentences = [one.path for one in librivox()]
    windows = [spoken(*sentences[:2]), spoken(*sentences[2:4]), spoken(*sentences[3:])]
    together = engine.transcribe(windows, ENGLISH)
    alone = [engine.transcribe([window], ENGLISH)[0] for window in reversed(windows)][::-1]
    assert [one.as_dict() for one in together] == [one.as_dict() for one in alone]


def test_windows_with_words_for_all_speech_are_read_once(
    engine: whisper.WhisperEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, decoded = engine._model.decode, []

    def count(encoded: Any, *rest: Any) -> Any:
        decoded.extend(encoded)
        return decode(encoded, *rest)

    monkeypatch.setattr(engine._model, "decode", count)
    window = spoken(*(one.path for one in librivox()[:3]))
    engine.transcribe([window], ENGLISH)
    assert len(decoded) == 1


def test_one_sentence_again_and_again_is_there_each_time(engine: whisper.WhisperEngine) -> None:
    window = spoken(*[librivox()[-1].path] * 8, gap=0.15)
    assert words(engine.transcribe([window], ENGLISH)[0]).count("amiable") == 8


def test_music_has_no_words_even_where_speech_is_claimed(engine: whisper.WhisperEngine) -> None:
    windows = [
        Window(sound(piece, FULL_RATE)[20 * SAMPLE_RATE : 45 * SAMPLE_RATE], 0.0, ((2.0, 9.0),)) for piece in music()
    ]
    assert [words(result) for result in engine.transcribe(windows, ENGLISH)] == [[]] * len(windows)


@pytest.mark.parametrize("text", ["Welcome to the weekly call of the finance team.", "Anna, Berta, Caesar"])
def test_a_prompt_is_no_text(engine: whisper.WhisperEngine, text: str) -> None:
    rng = np.random.default_rng(1)
    silent = [np.zeros(8 * SAMPLE_RATE, np.int16), rng.normal(0, 30, 8 * SAMPLE_RATE).astype(np.int16)]
    silent += [sound(piece, FULL_RATE)[30 * SAMPLE_RATE : 38 * SAMPLE_RATE] for piece in music()]
    for asked in (WindowOptions(language="en", prompt=text), WindowOptions(language="en", hotwords=text)):
        found = engine.transcribe([Window(samples) for samples in silent], asked)
        assert [words(result) for result in found] == [[]] * len(silent)


def test_what_a_prompt_says_is_kept_where_it_is_said(engine: whisper.WhisperEngine) -> None:
    window = spoken(prompt("en", "vm-review"))
    plain = words(engine.transcribe([window], ENGLISH)[0])
    prompted = words(engine.transcribe([window], WindowOptions(language="en", prompt=" ".join(plain)))[0])
    assert len(prompted) >= len(plain) - 1 > 5
