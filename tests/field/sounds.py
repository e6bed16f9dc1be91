"""The pieces of which inputs are made: samples at a rate, joined, filtered, made quieter, written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.corpora import sound
from tests.audio_files import write_wav
from tests.media import ffmpeg
from tests.recordings import librivox
from tests.voices import JFK, quantised

__all__ = [
    "FULL_RATE", "JFK", "PHONE_RATE", "book", "cut", "encode", "jfk", "level", "pause", "phone_band", "sound",
    "write_full", "write_mulaw",
]  # fmt: skip

Samples = NDArray[np.int16]

FULL_RATE, PHONE_RATE = 16_000, 8_000
_PHONE_BAND_HZ = (300, 3400)


def jfk(rate: int = FULL_RATE) -> Samples:
    """The project's speech of eleven seconds: "And so, my fellow Americans, ask not …"."""
    return sound(JFK, rate)


def book(rate: int = FULL_RATE) -> Samples:
    """Five read sentences of LibriVox, one after the other: about 25 s."""
    return np.concatenate([sound(one.path, rate) for one in librivox()])


def pause(seconds: float, rate: int) -> Samples:
    return np.zeros(int(seconds * rate), np.int16)


def level(samples: Samples, db: float) -> Samples:
    """Louder or quieter by so many dB, clipped to 16 bits."""
    return quantised(samples * 10 ** (db / 20))


def cut(samples: Samples, rate: int, start: float, seconds: float) -> Samples:
    """A stretch of it, in seconds."""
    return samples[int(start * rate) : int((start + seconds) * rate)]


def phone_band(samples: Samples, rate: int) -> Samples:
    """Only what a telephone line lets through: 300 to 3,400 Hz."""
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / rate)
    spectrum[(frequencies < _PHONE_BAND_HZ[0]) | (frequencies > _PHONE_BAND_HZ[1])] = 0
    return quantised(np.fft.irfft(spectrum, len(samples)))


def write_mulaw(path: Path, *pieces: Samples) -> Path:
    """A WAV file as an exchange records it: 8 kHz, mono, µ-law."""
    plain = write_wav(path.with_suffix(".pcm.wav"), np.concatenate(pieces), PHONE_RATE)
    ffmpeg("-i", plain, "-c:a", "pcm_mulaw", path)
    plain.unlink()
    return path


def write_full(path: Path, *pieces: Samples) -> Path:
    """A WAV file of 16 kHz, mono, 16 bits."""
    return write_wav(path, np.concatenate(pieces), FULL_RATE)


def encode(path: Path, source: Path, *options: Any) -> Path:
    """A file re-encoded as its ending and the options say."""
    ffmpeg("-i", source, *options, path)
    return path
