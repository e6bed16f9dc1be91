"""The first text of a long file comes as soon as that of a short one."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import httpx

from bench.audio import note, speech
from bench.contest import ours, settings
from bench.figure import AT_MOST, Goal, Line, Measured, Plot, Table
from bench.model import build
from bench.room import Room
from tests.service import Service, eventually

NAME = "first_text"
TITLE = "Time to first text, 3 h ÷ 3 min file"
GOAL = Goal(AT_MOST, 1.5)

_RUNS = 5

_HOW = """From the beginning of the upload until the first window's text is committed and can be read, with a `base`
model that is loaded, on a service that does nothing else; then the job is cancelled. The language is not given: it is
found in the first windows before any is transcribed."""


def measure(room: Room) -> Measured:
    lengths, runs = ({"1 min": 1, "5 min": 5}, 1) if room.quick else ({"3 min": 3, "3 h": 180}, _RUNS)
    model = build("tiny" if room.quick else "base", room.folder / "model")
    files = {name: speech(room.folder / f"{minutes}.mp3", minutes * 60) for name, minutes in lengths.items()}
    probe = note(room.folder / "probe.mp3", 2)
    times: dict[str, list[float]] = {name: [] for name in files}
    with room.service("service", **settings(model)) as service:
        for _ in range(runs):
            for name, file in files.items():
                times[name].append(first_text(service, file, probe))
                room.say(f"{name}: {times[name][-1]:.2f} s")
    short, long = times
    rows = tuple((name, median(each), " ".join(f"{t:.2f}" for t in each)) for name, each in times.items())
    return Measured(
        value=median(times[long]) / median(times[short]),
        details=Table(("file", "s, median", "s, each run"), rows),
        plot=Plot("bars", "", "s to first text", (Line("median", tuple(times), tuple(map(median, times.values()))),)),
        notes=(_HOW,),
        reason="where the engine wants every core, the decoder and the voice detector of a long file take some of them "
        "while its first windows are read: they stand back, and still go on after a short file's have ended",
    )


def first_text(service: Service, file: Path, probe: Path) -> float:
    """Return the seconds to the first committed text of a new job, which is then stopped.

    A batch for the cancelled job may go on for some seconds: a short probe waits for its end.
    """
    began = time.monotonic()
    job = service.submit(file)
    eventually(lambda: service.job(job)["seconds_done"] > 0, 300, "no first text")
    seconds = time.monotonic() - began
    httpx.post(f"{service.base}/v1/transcriptions/{job}/cancel", timeout=30).raise_for_status()
    ours(service, probe)
    return seconds
