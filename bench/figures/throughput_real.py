"""Throughput on recorded people with real weights: Dictograph, faster-whisper sequential, faster-whisper batched."""

from __future__ import annotations

from bench.contest import RUNS, FasterWhisper, Run, contest, middle, ours, settings
from bench.corpora import Corpus, write
from bench.figure import AT_LEAST, Check, Goal, Line, Measured, Plot, Table
from bench.real import base, recordings
from bench.room import Room
from bench.words import compare
from tests.service import Service

NAME = "throughput_real"
TITLE = "Throughput on recorded speech ÷ faster-whisper sequential, defaults of both (beam 5): the lower of two corpora"
GOAL = Goal(AT_LEAST, 3.0)

_BATCHED = 1.5
_SIZES = (4, 8, 16)
_OURS, _SEQUENTIAL, _BATCH = "Dictograph", "faster-whisper", "faster-whisper batched"

_HOW = """Corpora {names} (seed 1), Whisper `base` in int8, loaded before, beam 5 and no word times everywhere, the
language given, as many threads each as the machine has cores. Dictograph's time is a job's whole way by HTTP: upload,
stored durably, decoded, speech found, windows transcribed, held against the speech and committed, transcript fetched.
faster-whisper's is one call with the file's name; batched, the best of {sizes} windows at once, found by one run each.
Run turn by turn, {runs} times; the median counts. Speed counts only at equal words, so word error stands beside it."""


def measure(room: Room) -> Measured:
    names, most, runs, sizes = (("es",), 6, 1, (8,)) if room.quick else (("mix-en", "es"), 0, RUNS, _SIZES)
    corpora = write(room.folder / "corpora", 1, recordings(), names, most)
    theirs = FasterWhisper(base())
    with room.service("ours", **settings(base())) as service:
        results = {corpus.name: _contest(room, service, theirs, corpus, runs, sizes) for corpus in corpora}
    sequential = {name: _ratio(found, _SEQUENTIAL) for name, found in results.items()}
    batched = {name: _ratio(found, _BATCH) for name, found in results.items()}
    return Measured(
        value=min(sequential.values()),
        checks=tuple(
            Check(f"{name}: ÷ batched at its best {ratio:.2f}, at least {_BATCHED}", ratio >= _BATCHED)
            for name, ratio in batched.items()
        ),
        details=Table(
            ("", "× real time, median", "word error, %", "s, each run"),
            tuple(row for corpus in corpora for row in _rows(corpus, results[corpus.name])),
        ),
        plot=Plot("bars", "", "× real time", tuple(_line(corpus, results[corpus.name]) for corpus in corpora)),
        notes=(
            _HOW.format(names=" and ".join(names), sizes=", ".join(map(str, sizes)), runs=runs),
            "; ".join(f"{name}: ÷ sequential {sequential[name]:.2f}, ÷ batched {batched[name]:.2f}" for name in names)
            + ".",
        ),
        reason="half of the time is the encoder, which all three share; word error went first",
    )


def _contest(
    room: Room, service: Service, theirs: FasterWhisper, corpus: Corpus, runs: int, sizes: tuple[int, ...]
) -> dict[str, list[Run]]:
    def batched(size: int) -> Run:
        return theirs.batched(corpus.audio, language=corpus.language, beam_size=5, batch_size=size)

    best = min(sizes, key=lambda size: batched(size).seconds) if len(sizes) > 1 else sizes[0]
    room.say(f"{corpus.name}: batched is quickest with {best} at once")
    return contest(
        room,
        {
            _OURS: lambda: ours(service, corpus.audio, language=corpus.language),
            _SEQUENTIAL: lambda: theirs.sequential(corpus.audio, language=corpus.language),
            _BATCH: lambda: batched(best),
        },
        runs,
    )


def _ratio(results: dict[str, list[Run]], other: str) -> float:
    return middle(results[other]) / middle(results[_OURS])


def _rows(corpus: Corpus, results: dict[str, list[Run]]) -> tuple[tuple[str | float, ...], ...]:
    return tuple(
        (
            f"{corpus.name}: {who}",
            corpus.seconds / middle(runs),
            f"{compare(corpus.language, corpus.text, runs[0].text).rate:.2f}",
            " ".join(f"{run.seconds:.1f}" for run in runs),
        )
        for who, runs in results.items()
    )


def _line(corpus: Corpus, results: dict[str, list[Run]]) -> Line:
    return Line(corpus.name, tuple(results), tuple(corpus.seconds / middle(runs) for runs in results.values()))
