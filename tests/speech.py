"""Speech made for tests: espeak-ng says digits, and how long each word takes is known."""

from __future__ import annotations

import io
import random
import subprocess
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import av
import numpy as np
from numpy.typing import NDArray

from tests.needs import need

RATE = 16_000
Samples = NDArray[np.int16]

#: The words that the tiny Whisper knows.
DIGITS: Mapping[str, Sequence[str]] = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
}

#: espeak-ng's voices and their languages.
VOICES: Mapping[str, str] = {"en-us": "en", "en-gb": "en", "de": "de"}

_AUDIBLE = 0.01 * 32768


@dataclass(frozen=True, slots=True)
class Spoken:
    """Samples (mono, 16 kHz), and each word in them with its start and end in seconds."""

    samples: Samples
    words: tuple[tuple[str, float, float], ...]

    @property
    def text(self) -> str:
        return " ".join(word for word, _, _ in self.words)


@cache
def say(text: str, voice: str = "en-us", speed: int = 175, pitch: int = 50) -> Samples:
    """What espeak-ng makes of a text: 16 kHz mono. `speed` in words a minute; both as espeak's own defaults."""
    program = need("espeak-ng")
    command = [program, "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", text]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    rate = wave.open(io.BytesIO(made)).getframerate()  # noqa: SIM115 - only its header; a pipe's length in it is wrong
    return _resampled(np.frombuffer(made[44:], dtype="<i2"), rate)


def digit_strings(language: str, count: int, seed: int, most: int = 9) -> list[str]:
    """`count` strings of one to `most` random digits, as words."""
    chance = random.Random(seed)
    return [" ".join(chance.choices(DIGITS[language], k=chance.randint(1, most))) for _ in range(count)]


def joined_digits(language: str, count: int, chance: random.Random) -> Spoken:
    """`count` random digits said one by one, with pauses of 0.05 to 0.3 s: their times are exact."""
    voice = "en-us" if language == "en" else language
    parts: list[Samples] = [np.zeros(RATE // 5, np.int16)]
    words = []
    position = len(parts[0])
    for word in chance.choices(DIGITS[language], k=count):
        sound = trimmed(say(word, voice, speed=160))
        pause = chance.randint(RATE // 20, RATE * 3 // 10)
        words.append((word, position / RATE, (position + len(sound)) / RATE))
        parts += [sound, np.zeros(pause, np.int16)]
        position += len(sound) + pause
    return Spoken(np.concatenate(parts), tuple(words))


def trimmed(samples: Samples, margin: int = 80) -> Samples:
    """Without the silence before and after, but for `margin` samples."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _AUDIBLE)
    return samples[max(0, loud[0] - margin) : loud[-1] + margin]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words to be put in, left out or changed to get from one to the other (Levenshtein's distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def _resampled(samples: Samples, rate: int) -> Samples:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis, :].copy(), format="s16", layout="mono")
    frame.sample_rate = rate
    parts = [part.to_ndarray()[0] for given in (frame, None) for part in resampler.resample(given)]
    return np.concatenate(parts).astype(np.int16)
