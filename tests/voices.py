"""Sounds for tests as mono 16 kHz samples: synthetic voices, recordings, and noise of every colour."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from tests.needs import need

Samples = NDArray[np.int16]

RATE = 16_000
JFK = Path(__file__).parent / "fixtures" / "jfk.flac"

#: How the power of a noise's amplitude falls with frequency.
_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}


def espeak(text: str, voice: str = "en-us") -> Samples:
    """What espeak-ng says."""
    return _spoken([need("espeak-ng"), "-v", voice, "-w", "{}", text])


def flite(text: str, voice: str = "slt") -> Samples:
    """What flite says."""
    return _spoken([need("flite"), "-voice", voice, "-t", text, "-o", "{}"])


def recording(path: Path = JFK) -> Samples:
    """A sound file of a sane format, decoded."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray().ravel() for frame in frames]).astype(np.int16)


def silence(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.int16)


def noise(colour: str, dbfs: float, seconds: float, seed: int) -> Samples:
    """White, pink or brown noise with the given root mean square, in dB below full scale."""
    length = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 1.0)
    spectrum *= frequencies ** _SLOPES[colour]
    spectrum[0] = 0
    wave = np.fft.irfft(spectrum, length)
    return quantised(wave / np.sqrt(np.mean(wave**2)) * 10 ** (dbfs / 20) * 32768)


def quantised(wave: NDArray[np.floating[Any]]) -> Samples:
    """Rounded and clipped to 16 bits."""
    return np.clip(np.round(wave), -32768, 32767).astype(np.int16)


def amplified(samples: Samples, db: float) -> Samples:
    return quantised(samples * 10 ** (db / 20))


def _spoken(command: list[str]) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "said.wav"
        subprocess.run([part.replace("{}", str(file)) for part in command], check=True, capture_output=True)
        return recording(file)
