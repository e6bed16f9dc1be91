"""The tables of a calibration for windows: what pauses in them and cuts through speech cost, with real weights."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.calibrate.detection import Detector
from bench.calibrate.table import Table
from bench.corpora import RATE, sound
from bench.recordings import Recording, Recordings
from bench.words import WordErrors, compare, pooled
from dictograph.audio.plan import Planner, Span, WindowRules, quietest_point
from dictograph.audio.speech import SpeechRules
from dictograph.audio.speech_account import SpeechAccount
from dictograph.engine.protocol import EngineSpec, Window, WindowOptions
from dictograph.engine.whisper import engine as whisper
from dictograph.job import Options

Samples = NDArray[np.int16]

_LANGUAGES = ("en", "es", "fr")
_PROMPTS = 20
_PAUSES_S = (0.5, 6.0)
_MAX_PAUSES_S = (1, 2, 3, 4, 6)
_CUT_RANGES_S = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is heard in a language, and the true words."""

    language: str
    text: str
    samples: Samples


def tables(recordings: Recordings, weights: Path) -> Iterator[Table]:
    """Measure one table after the other."""
    reader = _Reader(weights)
    yield _pauses(reader, [_joined(recordings, language, _PAUSES_S) for language in _LANGUAGES])
    yield _cuts(reader, [_joined(recordings, language, (0, 0)) for language in _LANGUAGES])


def _pauses(reader: _Reader, spoken: Sequence[Spoken]) -> Table:
    rows = [_row(f"{seconds} s", reader, spoken, WindowRules(max_pause=seconds * RATE)) for seconds in _MAX_PAUSES_S]
    return Table("The longest pause in a window", ("pause", *_columns(spoken)), rows)


def _cuts(reader: _Reader, spoken: Sequence[Spoken]) -> Table:
    rows = [_row(f"{seconds} s", reader, spoken, WindowRules(cut_range=seconds * RATE)) for seconds in _CUT_RANGES_S]
    return Table("Where speech without a pause is cut", ("the window's last", *_columns(spoken)), rows)


def _columns(spoken: Sequence[Spoken]) -> tuple[str, ...]:
    return (
        "windows",
        *(f"{one.language}, % of {len(one.text.split())}" for one in spoken),
        "all, %",
        "of them left out",
    )


def _row(name: str, reader: _Reader, spoken: Sequence[Spoken], rules: WindowRules) -> list[str]:
    read = [reader.read(one, rules) for one in spoken]
    errors = [found for _, found in read]
    together = pooled(errors)
    rates = [f"{one.rate:.2f}" for one in (*errors, together)]
    return [name, str(sum(windows for windows, _ in read)), *rates, f"{100 * together.deleted / together.words:.2f}"]


class _Reader:
    """Transcribes as a worker does: detects, plans, reads window by window."""

    def __init__(self, weights: Path) -> None:
        self._detector = Detector.of()
        self._engine = whisper.load(EngineSpec("whisper", "", weights.name, str(weights)))
        self._heard: dict[int, NDArray[np.float32]] = {}

    def read(self, spoken: Spoken, rules: WindowRules) -> tuple[int, WordErrors]:
        """Return the number of windows and the word errors."""
        windows = list(self._windows(spoken.samples, rules))
        results = [self._engine.transcribe([one], WindowOptions(language=spoken.language))[0] for one in windows]
        text = " ".join(segment.text for result in results for segment in result.segments)
        return len(windows), compare(spoken.language, spoken.text, text)

    def _windows(self, samples: Samples, rules: WindowRules) -> Iterator[Window]:
        key = id(samples)
        if key not in self._heard:
            self._heard[key] = self._detector.probabilities(samples)
        heard, account = self._heard[key], SpeechAccount(SpeechRules.of(Options()))
        account.feed(heard.tolist())
        account.finish(len(samples))
        planner = Planner(Options(), lambda start, end: start + quietest_point(samples[start:end]), rules)
        for span in planner.feed(heard) + planner.finish(len(samples)):
            yield Window(samples[span.start : span.end], span.start / RATE, _certain(account, span))


def _certain(account: SpeechAccount, span: Span) -> tuple[tuple[float, float], ...]:
    found = (speech for speech in account.within(span) if speech.certain)
    return tuple(((speech.start - span.start) / RATE, (speech.end - span.start) / RATE) for speech in found)


def _joined(recordings: Recordings, language: str, pauses: tuple[float, float]) -> Spoken:
    """Return prompts of a language, in English read sentences too, with pauses of random length (s) between them."""
    chance = random.Random(1)
    parts: list[Recording] = chance.sample(recordings.prompts(language), _PROMPTS)
    parts += recordings.librivox() if language == "en" else []
    pieces = [piece for one in parts for piece in (sound(one.path), _silence(chance.uniform(*pauses)))]
    return Spoken(language, " ".join(one.text for one in parts), np.concatenate(pieces))


def _silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.int16)
