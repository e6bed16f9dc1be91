"""Audio made for tests, from numpy alone."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def write_wav(path: Path, samples: NDArray[np.int16], rate: int = 16_000) -> Path:
    """Mono 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


def write_noise(path: Path, seconds: float, seed: int, rate: int = 8_000) -> Path:
    """Noise that no other seed makes: every window of it has samples of its own."""
    rng = np.random.default_rng(seed)
    return write_wav(path, rng.integers(-9_000, 9_000, int(seconds * rate)).astype(np.int16), rate)
