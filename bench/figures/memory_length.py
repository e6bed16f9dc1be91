"""Memory must not grow with the length of the audio."""

from __future__ import annotations

from pathlib import Path

from bench.audio import speech
from bench.contest import ours, settings
from bench.figure import AT_MOST, Goal, Line, Measured, Plot, Table
from bench.memory import Samples, watched
from bench.model import build
from bench.room import Room

NAME = "memory_length"
TITLE = "Peak private memory of the process tree, 5 h ÷ 10 min of audio"
GOAL = Goal(AT_MOST, 1.1)

_MIB = 2**20

_HOW = """A fresh service with one job each: the sum of the unique set sizes (USS) of the service and all its children,
from before the upload to the transcript, with a `tiny` model, the default beam of 5 and word times."""


def measure(room: Room) -> Measured:
    model = build("tiny", room.folder / "model")
    lengths = {"1 min": 1, "3 min": 3} if room.quick else {"10 min": 10, "5 h": 300}
    seen: dict[str, Samples] = {}
    took: dict[str, float] = {}
    for name, minutes in lengths.items():
        seen[name], took[name] = _run(room, model, minutes)
        room.say(f"{name}: peak {seen[name].peak / _MIB:.0f} MiB, {took[name]:.0f} s")
    short, long = seen
    rows = tuple((name, one.peak / _MIB, len(one.sizes), took[name]) for name, one in seen.items())
    lines = tuple(Line(name, *_curve(one)) for name, one in seen.items())
    return Measured(
        value=seen[long].peak / seen[short].peak,
        details=Table(("audio", "peak, MiB", "samples taken", "s"), rows),
        plot=Plot("lines", "share of the job's time", "private memory, MiB", lines),
        notes=(_HOW,),
        reason="the curve is level, and does not grow with the length; but ten minutes of audio are transcribed before "
        "the heaps of the service and its engine have come to that level",
    )


def _run(room: Room, model: Path, minutes: int) -> tuple[Samples, float]:
    audio = speech(room.folder / f"{minutes}.mp3", minutes * 60)
    with room.service(f"service-{minutes}", **settings(model)) as service:
        assert service.process is not None
        with watched(service.process.pid) as samples:
            run = ours(service, audio, word_timestamps=True)
    return samples, run.seconds


def _curve(samples: Samples, points: int = 200) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return memory in MiB by the share of time. Each point is the highest of its samples, so that no peak is lost."""
    end, step = samples.times[-1] or 1.0, max(1, len(samples.times) // points)
    chunks = [range(first, min(first + step, len(samples.times))) for first in range(0, len(samples.times), step)]
    highest = [max(chunk, key=samples.sizes.__getitem__) for chunk in chunks]
    return (
        tuple(round(samples.times[index] / end, 4) for index in highest),
        tuple(round(samples.sizes[index] / _MIB, 1) for index in highest),
    )
