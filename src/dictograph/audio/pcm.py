"""Read samples from a file: mono 16 kHz s16le without a header, written by the decoder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.audio_format import SAMPLE_BYTES as SAMPLE_BYTES

_CHUNK_SAMPLES = 2**19

_INT16 = np.dtype("<i2")


class MissingSamples(Exception):
    """The file does not have all requested samples."""


def read(file: Path, start: int, end: int) -> NDArray[np.int16]:
    """Return the samples from `start` up to `end`, as int16. The file may grow behind them.

    Raises:
        MissingSamples: the file ends before `end`.
        ValueError: `start` is negative or after `end`.
    """
    samples = [np.frombuffer(chunk, _INT16) for chunk in _chunks(file, start, end)]
    return np.concatenate(samples) if samples else np.empty(0, _INT16)


def sha256(file: Path, start: int, end: int) -> str:
    """Return the SHA-256 of the bytes of the samples from `start` up to `end`; raises as `read` does."""
    digest = hashlib.sha256()
    for chunk in _chunks(file, start, end):
        digest.update(chunk)
    return digest.hexdigest()


def peak(file: Path) -> int:
    """Return the largest sample of the file, without its sign; 0 for none."""
    total = file.stat().st_size // SAMPLE_BYTES
    found = (np.abs(np.frombuffer(chunk, _INT16).astype(np.int32)).max() for chunk in _chunks(file, 0, total))
    return int(max(found, default=0))


def _chunks(file: Path, start: int, end: int) -> Iterator[bytes]:
    if not 0 <= start <= end:
        raise ValueError(f"samples {start} to {end} are no range")
    with open(file, "rb") as stream:
        stream.seek(start * SAMPLE_BYTES)
        for first in range(start, end, _CHUNK_SAMPLES):
            wanted = (min(end, first + _CHUNK_SAMPLES) - first) * SAMPLE_BYTES
            chunk = stream.read(wanted)
            if len(chunk) < wanted:
                raise MissingSamples(f"{file.name} ends before sample {end}")
            yield chunk
