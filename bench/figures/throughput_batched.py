"""Dictograph compared with faster-whisper's batched pipeline: the same options, the best batch size of each."""

from __future__ import annotations

from pathlib import Path

from bench.audio import speech
from bench.contest import RUNS, FasterWhisper, Run, contest, middle, ours, settings
from bench.figure import AT_LEAST, Goal, Line, Measured, Plot, Table
from bench.model import build
from bench.room import Room
from tests.service import Service

NAME = "throughput_batched"
TITLE = "Throughput ÷ faster-whisper batched, same beam and best batch size of each"
GOAL = Goal(AT_LEAST, 1.05)

_SIZES = (4, 8, 16)

_HOW = """{minutes} minutes of speech as MP3, a `{size}` model in int8, loaded before, beam 5, no word times on either
side, as many threads as the machine has cores. The best batch size of each is found first, by one run each (the plot);
then both are run turn by turn. Dictograph's time is a job's whole way by HTTP, faster-whisper's one call with the
file's name. Pauses are short here (at most 0.8 s): with many pauses over 2 s, where Dictograph begins a new window, it
has more windows to decode and the ratio is lower."""
_OURS, _THEIRS = "Dictograph", "faster-whisper batched"


def measure(room: Room) -> Measured:
    size, minutes, runs, sizes = ("tiny", 1, 1, (8,)) if room.quick else ("base", 6, RUNS, _SIZES)
    model, audio = build(size, room.folder / "model"), speech(room.folder / "speech.mp3", minutes * 60)
    theirs = FasterWhisper(model)
    tried = {_OURS: _try_ours(room, model, audio, sizes), _THEIRS: {n: _batched(theirs, audio, n) for n in sizes}}
    best = {name: min(found, key=lambda n: found[n].seconds) for name, found in tried.items()}
    room.say(f"best batch sizes: {best}")
    with room.service("ours", **settings(model), batch_size=best[_OURS]) as service:
        results = contest(
            room,
            {
                _OURS: lambda: _job(service, audio),
                _THEIRS: lambda: _batched(theirs, audio, best[_THEIRS]),
            },
            runs,
        )
    speeds = {name: minutes * 60 / middle(done) for name, done in results.items()}
    rows = tuple(
        (
            f"{name}, {best[name]} at once",
            speed,
            results[name][0].words,
            " ".join(f"{r.seconds:.1f}" for r in results[name]),
        )
        for name, speed in speeds.items()
    )
    lines = tuple(
        Line(name, tuple(map(str, found)), tuple(minutes * 60 / run.seconds for run in found.values()))
        for name, found in tried.items()
    )
    return Measured(
        value=speeds[_OURS] / speeds[_THEIRS],
        details=Table(("", "× real time, median", "words", "s, each run"), rows),
        plot=Plot("bars", "windows decoded together", "× real time, one run each", lines),
        notes=(_HOW.format(minutes=minutes, size=size),),
        reason="other work on the machine: both do nearly the same arithmetic, and what Dictograph does beside it "
        "(HTTP, database, three processes) has to fit into what encoding one window at a time saves",
    )


def _try_ours(room: Room, model: Path, audio: Path, sizes: tuple[int, ...]) -> dict[int, Run]:
    found = {}
    for size in sizes:
        with room.service(f"try-{size}", **settings(model), batch_size=size) as service:
            found[size] = _job(service, audio)
    return found


def _job(service: Service, audio: Path) -> Run:
    return ours(service, audio)


def _batched(theirs: FasterWhisper, audio: Path, size: int) -> Run:
    return theirs.batched(audio, beam_size=5, batch_size=size)
