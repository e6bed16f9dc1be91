"""Recordings of spoken digits, short ones and long ones, none like another."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from tests.audio_files import write_wav
from tests.speech import RATE, Spoken, joined_digits


def spoken_digits(count: int, seed: int, language: str = "en") -> Spoken:
    """Digits said one by one; which ones, the seed decides."""
    return joined_digits(language, count, random.Random(seed))


def short(folder: Path, seed: int, language: str = "en") -> tuple[Path, str]:
    """A few seconds, and what is said in them."""
    spoken = spoken_digits(5, seed, language)
    return write_wav(folder / f"short-{language}-{seed}.wav", spoken.samples), spoken.text


def cues(subtitles: str) -> list[tuple[float, float, list[str]]]:
    """The start, the end (s) and the lines of each cue, of SubRip or WebVTT."""
    blocks = [block.splitlines() for block in subtitles.strip().split("\n\n")]
    timed = [(block[at], block[at + 1 :]) for block in blocks for at, line in enumerate(block) if "-->" in line]
    return [(*map(_seconds, times.split(" --> ")), lines) for times, lines in timed]  # type: ignore[misc]


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds)


def long(folder: Path, seed: int, windows: int = 4) -> Path:
    """So many windows: phrases of some 20 s with pauses of 4 s between them."""
    pause = np.zeros(4 * RATE, np.int16)
    parts = [part for number in range(windows) for part in (spoken_digits(36, 1000 * seed + number).samples, pause)]
    return write_wav(folder / f"long-{seed}.wav", np.concatenate(parts))
