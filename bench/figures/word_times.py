"""The times of words against the true bounds of the recordings that they are from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.contest import completed, settings
from bench.corpora import NAMES, RATE, Corpus, Part, sound, write
from bench.figure import AT_MOST, Goal, Measured, Table
from bench.real import base, recordings
from bench.room import Room
from tests.service import Service

NAME = "word_times"
TITLE = "Start of the first and end of the last word of each part − its sound's: 95th percentile"
GOAL = Goal(AT_MOST, 0.25, "s")

_PARTS, _QUICK_PARTS = 40, 4
_LOOK_S = 1.0

#: The sound of a part begins and ends with a frame of 10 ms no more than so much below its loudest one, and louder than
#: so much below full scale.
_FRAME = RATE // 100
_BELOW_DB, _LEAST_DB = 38, -60

#: A word belongs to a part if its middle is no further outside. There is a pause of 0.4 s between two parts at least.
_NEAR_S = 0.2

_HOW = """The first {parts} parts of each of six corpora (seed 1; `bench/corpora.py`): prompts and read sentences, with
pauses of 0.4 to 1.2 s, {minutes:.0f} minutes. Whisper `base` in int8, the language given, every other option its
default, by HTTP. A part's sound is from its first to its last frame of 10 ms that is not {below} dB below its loudest.
Of the {all} parts {empty} had no word."""


@dataclass(frozen=True, slots=True)
class _Errors:
    """Seconds that words began and ended beside the sound, without sign, and the parts that have no word."""

    starts: tuple[float, ...] = ()
    ends: tuple[float, ...] = ()
    empty: int = 0

    def __add__(self, other: _Errors) -> _Errors:
        return _Errors(self.starts + other.starts, self.ends + other.ends, self.empty + other.empty)


def measure(room: Room) -> Measured:
    most = _QUICK_PARTS if room.quick else _PARTS
    corpora = write(room.folder / "corpora", 1, recordings(), NAMES[:1] if room.quick else NAMES, most)
    with room.service("service", **settings(base())) as service:
        found = {corpus.name: _errors(corpus, _words(service, corpus)) for corpus in corpora}
    for name, errors in found.items():
        room.say(f"{name}: {_percentile(errors.starts, 95):.2f} and {_percentile(errors.ends, 95):.2f} s")
    pooled = sum(found.values(), _Errors())
    return Measured(
        value=_percentile(pooled.starts + pooled.ends, 95),
        details=Table(
            ("", "parts", "start, median, s", "start, 95 %", "end, median, s", "end, 95 %"),
            tuple(_row(name, errors) for name, errors in {**found, "all": pooled}.items()),
        ),
        notes=(
            _HOW.format(
                parts=most,
                minutes=sum(corpus.seconds for corpus in corpora) / 60,
                below=_BELOW_DB,
                all=len(pooled.starts) + pooled.empty,
                empty=pooled.empty,
            ),
        ),
        reason="where a word is wrong or left out, its neighbour is measured in its place",
    )


def _row(name: str, errors: _Errors) -> tuple[str | float, ...]:
    figures = (_percentile(times, share) for times in (errors.starts, errors.ends) for share in (50, 95))
    return (name, len(errors.starts), *(f"{figure:.2f}" for figure in figures))


def _words(service: Service, corpus: Corpus) -> list[tuple[float, float]]:
    job = service.submit(Path(corpus.audio), language=corpus.language, word_timestamps="true")
    completed(service, job, _LOOK_S)
    segments = json.loads(service.transcript(job, "json"))["segments"]
    return [(word["start"], word["end"]) for segment in segments for word in segment.get("words", ())]


def _errors(corpus: Corpus, words: Sequence[tuple[float, float]]) -> _Errors:
    return sum(_by_part(corpus, words), _Errors())


def _by_part(corpus: Corpus, words: Sequence[tuple[float, float]]) -> Iterator[_Errors]:
    samples = sound(corpus.audio)
    for part in corpus.parts:
        own = [word for word in words if part.start - _NEAR_S <= (word[0] + word[1]) / 2 <= part.end + _NEAR_S]
        if not own:
            yield _Errors(empty=1)
            continue
        start, end = _bounds(samples, part)
        yield _Errors((abs(own[0][0] - start),), (abs(own[-1][1] - end),))


def _bounds(samples: NDArray[np.int16], part: Part) -> tuple[float, float]:
    """Return where the sound of a part begins and ends, in seconds of the corpus."""
    own = samples[round(part.start * RATE) : round(part.end * RATE)] / 32768
    power = np.mean(own[: len(own) // _FRAME * _FRAME].reshape(-1, _FRAME) ** 2, axis=1)
    level = 10 * np.log10(power + 1e-10)
    loud = np.flatnonzero(level > max(level.max() - _BELOW_DB, _LEAST_DB))
    return part.start + float(loud[0]) / 100, part.start + float(loud[-1] + 1) / 100


def _percentile(values: Sequence[float], share: float) -> float:
    return float(np.percentile(values, share)) if values else 0.0
