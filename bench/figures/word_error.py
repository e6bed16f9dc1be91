"""Words that are wrong in recorded speech: Dictograph compared with faster-whisper, same weights, defaults of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from bench.contest import FasterWhisper, ours, settings
from bench.corpora import NAMES, Corpus, telephone, write
from bench.figure import AT_MOST, Check, Goal, Line, Measured, Plot, Table
from bench.real import base, recordings
from bench.room import Room
from bench.words import WordErrors, compare, pooled
from tests.service import Service

NAME = "word_error"
TITLE = "Word error of recorded speech − faster-whisper's, in points: mean of six corpora"
GOAL = Goal(AT_MOST, 0, "points")

_ANY = 0.2  # points that a single corpus may be worse
_SEEDS = (1, 2, 3)

_HOW = """Prompts of telephone systems in five languages, and in `mix-en` prompts and read sentences in turn,
{minutes:.0f} minutes in all (seeds {seeds}, pooled), as they are and as a telephone gives them: 8 kHz, µ-law, 20 dB
quieter. Whisper `base` in int8, the language given, every other option the default of each; ours by HTTP. Both hear
each file in one run, one after the other. Words are compared as Whisper's paper does (`bench/words.py`)."""

_BANDS = ("full band", "telephone")


@dataclass(frozen=True, slots=True)
class _Heard:
    """Word errors of one corpus, of all seeds together."""

    ours: WordErrors
    theirs: WordErrors

    @property
    def difference(self) -> float:
        return self.ours.rate - self.theirs.rate


def measure(room: Room) -> Measured:
    seeds, names, most = ((1,), ("en", "es"), 6) if room.quick else (_SEEDS, NAMES, 0)
    corpora = {seed: write(room.folder / str(seed), seed, recordings(), names, most) for seed in seeds}
    theirs = FasterWhisper(base())
    with room.service("ours", **settings(base())) as service:
        heard = {
            (name, band): _hear(room, service, theirs, [_named(corpora[seed], name) for seed in seeds], band)
            for name in names
            for band in _BANDS
        }
    full = {name: heard[name, _BANDS[0]] for name in names}
    narrow = mean(heard[name, _BANDS[1]].difference for name in names)
    worst = max(full, key=lambda name: full[name].difference)
    minutes = sum(corpus.seconds for found in corpora.values() for corpus in found) / 60
    return Measured(
        value=mean(one.difference for one in full.values()),
        checks=(
            Check(f"no corpus is worse by more than {_ANY} points ({worst}: {full[worst].difference:+.2f})",
                  full[worst].difference <= _ANY),
            Check(f"on the telephone the mean is not above 0 ({narrow:+.2f})", narrow <= 0),
        ),
        details=Table(("", "words", "Dictograph, %", "faster-whisper, %", "points"), _rows(heard)),
        plot=Plot("bars", "", "word error, %", _lines(full)),
        notes=(_HOW.format(minutes=minutes, seeds=", ".join(map(str, seeds))),),
        reason="windows are read without the text before them and mostly without time stamps",
    )  # fmt: skip


def _hear(room: Room, service: Service, theirs: FasterWhisper, corpora: Sequence[Corpus], band: str) -> _Heard:
    pairs = [_both(service, theirs, corpus, _audio(corpus, band)) for corpus in corpora]
    heard = _Heard(pooled(pair.ours for pair in pairs), pooled(pair.theirs for pair in pairs))
    room.say(f"{corpora[0].name}, {band}: {heard.ours.rate:.2f} % and {heard.theirs.rate:.2f} %")
    return heard


def _both(service: Service, theirs: FasterWhisper, corpus: Corpus, audio: Path) -> _Heard:
    texts = (ours(service, audio, language=corpus.language), theirs.sequential(audio, language=corpus.language))
    return _Heard(*(compare(corpus.language, corpus.text, run.text) for run in texts))


def _audio(corpus: Corpus, band: str) -> Path:
    return corpus.audio if band == _BANDS[0] else telephone(corpus.audio)


def _named(corpora: Sequence[Corpus], name: str) -> Corpus:
    return next(corpus for corpus in corpora if corpus.name == name)


def _rows(heard: Mapping[tuple[str, str], _Heard]) -> tuple[tuple[str | float, ...], ...]:
    return tuple(
        (f"{name}, {band}", one.ours.words, f"{one.ours.rate:.2f}", f"{one.theirs.rate:.2f}", f"{one.difference:+.2f}")
        for (name, band), one in heard.items()
    )


def _lines(full: Mapping[str, _Heard]) -> tuple[Line, ...]:
    return (
        Line("Dictograph", tuple(full), tuple(one.ours.rate for one in full.values())),
        Line("faster-whisper", tuple(full), tuple(one.theirs.rate for one in full.values())),
    )
