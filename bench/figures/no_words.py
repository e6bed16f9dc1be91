"""Half an hour in which nobody speaks, with real weights: how many words are found in it."""

from __future__ import annotations

import numpy as np

from bench.calibrate.sounds import unsaid
from bench.contest import ours, settings
from bench.corpora import RATE
from bench.figure import AT_MOST, Goal, Measured, Table
from bench.real import base, recordings
from bench.room import Room
from tests.audio_files import write_wav

NAME = "no_words"
TITLE = "Half an hour of hold music, tones, dialling, ringing and noise: words"
GOAL = Goal(AT_MOST, 0, "words")

_HOW = """Five pieces of hold music, the signs of a telephone exchange (90 s each) and noise of five kinds, all by
telephone: {minutes:.0f} minutes. Whisper `base` in int8, every option its default, by HTTP, once with the language
given (English) and once without."""

_QUICK_S = 60


def measure(room: Room) -> Measured:
    samples = np.concatenate(unsaid(recordings()))
    if room.quick:
        samples = samples[: _QUICK_S * RATE]
    audio = write_wav(room.folder / "unsaid.wav", samples)
    with room.service("service", **settings(base())) as service:
        runs = {
            "English": ours(service, audio, language="en"),
            "found": ours(service, audio),
        }
    for name, run in runs.items():
        room.say(f"language {name}: {run.words} words in {run.seconds:.0f} s {run.text!r}")
    return Measured(
        value=max(run.words for run in runs.values()),
        details=Table(
            ("language", "words", "what they are"),
            tuple((name, run.words, " / ".join(run.text.splitlines())) for name, run in runs.items()),
        ),
        notes=(_HOW.format(minutes=len(samples) / RATE / 60),),
        reason="music with a voice-like melody is taken for speech, and Whisper is sure of a word in it",
    )
