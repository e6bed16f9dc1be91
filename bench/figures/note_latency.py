"""A short note does not wait for a long file."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from bench.audio import note, speech
from bench.contest import ours, settings
from bench.figure import AT_MOST, Goal, Line, Measured, Plot, Table
from bench.model import build
from bench.room import Room
from tests.service import Service, eventually

NAME = "note_latency"
TITLE = "10 s note while a 3 h file runs on the only worker: latency ÷ idle latency"
GOAL = Goal(AT_MOST, 2)

_NOTES = 15

_HOW = """One service, a `{size}` model, every option the default. {notes} notes one after the other, each from the
beginning of its upload until its transcript is fetched: first alone, then while {minutes} minutes of speech are
transcribed."""

#: The pause between two notes (s), so that they are not in step with the engine's batches.
_PAUSES = (0.3, 1.1, 0.7, 1.9, 0.1, 1.5)


def measure(room: Room) -> Measured:
    size, minutes, notes = ("tiny", 20, 3) if room.quick else ("base", 180, _NOTES)
    model = build(size, room.folder / "model")
    short, long = note(room.folder / "note.mp3"), speech(room.folder / "long.mp3", minutes * 60)
    with room.service("service", **settings(model)) as service:
        latencies = {"idle": [ours(service, short).seconds for _ in range(notes)]}
        job = service.submit(long)
        eventually(lambda: service.job(job)["seconds_done"] > 0, 300, "the long file does not begin")
        latencies["while the long file runs"] = [_between(service, short, n) for n in range(notes)]
        state = service.job(job)
        if state["status"] != "processing":
            raise RuntimeError(f"the long file was {state['status']} before the last note")
        room.say(f"the long file went on: {state['seconds_done']:.0f} s are done")
    idle, busy = latencies.values()
    rows = tuple(
        (name, median(each), max(each), " ".join(f"{t:.2f}" for t in each)) for name, each in latencies.items()
    )
    lines = tuple(Line(name, tuple(range(1, notes + 1)), tuple(sorted(each))) for name, each in latencies.items())
    return Measured(
        value=median(busy) / median(idle),
        details=Table(("", "s, median", "s, longest", "s, each note"), rows),
        plot=Plot("lines", "notes, quickest first", "s from upload to transcript", lines),
        notes=(_HOW.format(size=size, notes=notes, minutes=minutes),),
        reason="a note waits for the windows of the long file that are being decoded, once they are encoded",
    )


def _between(service: Service, short: Path, number: int) -> float:
    time.sleep(_PAUSES[number % len(_PAUSES)])
    return ours(service, short).seconds
