"""The first text of a job whose audio is in a bucket comes as soon as from a folder."""

from __future__ import annotations

from contextlib import ExitStack
from statistics import median

from bench.audio import note, speech
from bench.contest import settings
from bench.figure import AT_MOST, Goal, Line, Measured, Plot, Table
from bench.figures.first_text import first_text
from bench.model import build
from bench.room import Room
from tests.s3 import own_server

NAME = "s3_first_text"
TITLE = "Time to first text of a 10 min MP3, from S3 ÷ from a folder"
GOAL = Goal(AT_MOST, 1.3)

_RUNS = 5

_HOW = """From the beginning of the upload until the first window's text is committed and can be read, in turn on two
services that do nothing else, with a `base` model that is loaded; then the job is cancelled. The bucket is that of a
real S3 server on the same machine: the bytes are uploaded into it, and downloaded again by the worker."""


def measure(room: Room) -> Measured:
    minutes, runs = (1, 1) if room.quick else (10, _RUNS)
    model = build("tiny" if room.quick else "base", room.folder / "model")
    file, probe = speech(room.folder / "talk.mp3", minutes * 60), note(room.folder / "probe.mp3", 2)
    times: dict[str, list[float]] = {"folder": [], "S3": []}
    with ExitStack() as stack:
        server = stack.enter_context(own_server())
        bucket = server.settings(server.new_bucket())
        services = {
            "folder": stack.enter_context(room.service("folder", **settings(model))),
            "S3": stack.enter_context(room.service("s3", **settings(model), **bucket)),
        }
        for _ in range(runs):
            for name, service in services.items():
                times[name].append(first_text(service, file, probe))
                room.say(f"{name}: {times[name][-1]:.2f} s")
    rows = tuple((name, median(each), " ".join(f"{t:.2f}" for t in each)) for name, each in times.items())
    return Measured(
        value=median(times["S3"]) / median(times["folder"]),
        details=Table(("from", "s, median", "s, each run"), rows),
        plot=Plot("bars", "", "s to first text", (Line("median", tuple(times), tuple(map(median, times.values()))),)),
        notes=(" ".join(_HOW.split()),),
        reason="the file goes over the network twice before its first window is read",
    )
