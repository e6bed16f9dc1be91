"""Dictograph, with word times, compared with faster-whisper without any options: beam 5 in both."""

from __future__ import annotations

from bench.audio import speech
from bench.contest import RUNS, FasterWhisper, contest, middle, ours, settings
from bench.figure import AT_LEAST, Goal, Line, Measured, Plot, Table
from bench.model import build
from bench.room import Room

NAME = "throughput_sequential"
TITLE = "Throughput ÷ faster-whisper sequential, defaults of both (beam 5), ours with word times"
GOAL = Goal(AT_LEAST, 3.5)

_HOW = """{minutes} minutes of speech as MP3, a `{size}` model in int8, loaded before. Dictograph's time is a job's
whole way by HTTP: upload, stored durably, decoded, speech found, language found, windows transcribed with the times of
words and each committed, transcript fetched. faster-whisper's is one call with the file's name and no options. Run turn
by turn, with as many threads each as the machine has cores."""
_WHY = """faster-whisper decodes one window at a time, with time stamps; Dictograph decodes several together without,
and takes the times from the alignment. On a CPU, windows are decoded side by side, a thread each. Pauses are short here
(at most 0.8 s): with many pauses over 2 s, where Dictograph begins a new window, it has more windows to decode and the
ratio is lower."""

_OURS, _THEIRS = "Dictograph, word times", "faster-whisper"


def measure(room: Room) -> Measured:
    size, minutes, runs = ("tiny", 1, 1) if room.quick else ("base", 6, RUNS)
    model, audio = build(size, room.folder / "model"), speech(room.folder / "speech.mp3", minutes * 60)
    theirs = FasterWhisper(model)
    with room.service("ours", **settings(model)) as service:
        results = contest(
            room,
            {
                _OURS: lambda: ours(service, audio, word_timestamps=True),
                _THEIRS: lambda: theirs.sequential(audio),
            },
            runs,
        )
    speeds = {name: minutes * 60 / middle(done) for name, done in results.items()}
    rows = tuple(
        (
            name,
            speed,
            middle(results[name]),
            results[name][0].words,
            " ".join(f"{r.seconds:.1f}" for r in results[name]),
        )
        for name, speed in speeds.items()
    )
    return Measured(
        value=speeds[_OURS] / speeds[_THEIRS],
        details=Table(("", "× real time", "s, median", "words", "s, each run"), rows),
        plot=Plot("bars", "", "× real time", (Line("speed", tuple(speeds), tuple(speeds.values())),)),
        notes=(_HOW.format(minutes=minutes, size=size), _WHY),
        reason="other work on the machine, or a processor on which decoding together gains less",
    )
