"""A ten-second note on an idle service with real weights, compared with faster-whisper's own call."""

from __future__ import annotations

import time
from pathlib import Path

from bench.audio import note
from bench.contest import FasterWhisper, Run, contest, middle, settings
from bench.figure import AT_MOST, Check, Goal, Line, Measured, Plot, Table
from bench.real import base
from bench.room import Room
from tests.service import Service

NAME = "note_latency_real"
TITLE = "10 s note on an idle service, upload to text by HTTP ÷ faster-whisper's transcribe of the file"
GOAL = Goal(AT_MOST, 1.0)

_NOTES = 15
_OURS, _THEIRS = "Dictograph", "faster-whisper"

_HOW = """Ten seconds of a recorded speech as MP3, Whisper `base` in int8, loaded before, beam 5, the language given, as
many threads each as the machine has cores. Dictograph's time is from the beginning of the upload, which waits for the
job's end, until the transcript is fetched, every option the default; faster-whisper's is one call with the file's name.
{notes} each, turn by turn."""


def measure(room: Room) -> Measured:
    notes = 3 if room.quick else _NOTES
    audio, theirs = note(room.folder / "note.mp3"), FasterWhisper(base())
    with room.service("service", **settings(base())) as service:
        runners = {
            _OURS: lambda: _note(service, audio),
            _THEIRS: lambda: theirs.sequential(audio, language="en", beam_size=5),
        }
        contest(room, runners, 1)  # the first of each loads what the others find loaded
        results = contest(room, runners, notes)
    words = {who: runs[0].words for who, runs in results.items()}
    rows = tuple(
        (
            who,
            middle(runs),
            max(run.seconds for run in runs),
            words[who],
            " ".join(f"{run.seconds:.2f}" for run in runs),
        )
        for who, runs in results.items()
    )
    lines = tuple(
        Line(who, tuple(range(1, notes + 1)), tuple(sorted(run.seconds for run in runs)))
        for who, runs in results.items()
    )
    return Measured(
        value=middle(results[_OURS]) / middle(results[_THEIRS]),
        checks=(Check("both have the same number of words", len(set(words.values())) == 1),),
        details=Table(("", "s, median", "s, longest", "words", "s, each note"), rows),
        plot=Plot("lines", "notes, quickest first", "s from upload to text", lines),
        notes=(_HOW.format(notes=notes),),
        reason="upload, database and three processes take their time beside the same arithmetic",
    )


def _note(service: Service, audio: Path) -> Run:
    began = time.monotonic()
    with audio.open("rb") as file:
        files, data = {"file": (audio.name, file)}, {"language": "en"}
        job = service.post("/v1/transcriptions", files=files, data=data, params={"wait": 60}).json()
    text = service.transcript(job["id"], "txt")
    return Run(time.monotonic() - began, len(text.split()), text)
