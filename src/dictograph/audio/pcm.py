"""Read samples from a file: mono 16 kHz s16le without a header, written by the decoder. Or from several, mixed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.audio_format import SAMPLE_BYTES as SAMPLE_BYTES

_CHUNK_SAMPLES = 2**19

_INT16 = np.dtype("<i2")

#: A sample whose amount is no larger is silence: −70 dBFS of int16.
SILENCE = 10

#: Two channels are the same if their difference has no more than this share of the amplitude of either (−30 dB). The
#: two channels of one voice that were encoded apart differ by about that much.
_SAME = 0.03


class MissingSamples(Exception):
    """The file does not have all requested samples."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """Files of samples that are read as one: the sum of them."""

    files: tuple[Path, ...]


def read(source: Path | Mixed, start: int, end: int) -> NDArray[np.int16]:
    """Return the samples from `start` up to `end`, as int16. The file may grow behind them.

    Raises:
        MissingSamples: the file ends before `end`.
        ValueError: `start` is negative or after `end`.
    """
    samples = [np.frombuffer(chunk, _INT16) for chunk in _chunks(source, start, end)]
    return np.concatenate(samples) if samples else np.empty(0, _INT16)


def sha256(source: Path | Mixed, start: int, end: int) -> str:
    """Return the SHA-256 of the bytes of the samples from `start` up to `end`; raises as `read` does."""
    digest = hashlib.sha256()
    for chunk in _chunks(source, start, end):
        digest.update(chunk)
    return digest.hexdigest()


def peak(file: Path) -> int:
    """Return the largest sample of the file, without its sign; 0 for none."""
    total = file.stat().st_size // SAMPLE_BYTES
    found = (np.abs(np.frombuffer(chunk, _INT16).astype(np.int32)).max() for chunk in _chunks(file, 0, total))
    return int(max(found, default=0))


def read_at_most(source: Path | Mixed, start: int, end: int) -> NDArray[np.int16]:
    """Return the samples from `start` up to `end`, or to the end of the file. Raises OSError."""
    if isinstance(source, Mixed):
        parts = [read_at_most(file, start, end) for file in source.files]
        return _sum([part[: min(map(len, parts))] for part in parts])
    with source.open("rb") as file:
        file.seek(start * SAMPLE_BYTES)
        data = file.read((end - start) * SAMPLE_BYTES)
    return np.frombuffer(data[: len(data) // SAMPLE_BYTES * SAMPLE_BYTES], _INT16)


def is_silent(samples: NDArray[np.int16]) -> bool:
    """Return whether nothing is louder than −70 dBFS."""
    return samples.size == 0 or (int(samples.max()) <= SILENCE and int(samples.min()) >= -SILENCE)


def is_same(one: NDArray[np.int16], other: NDArray[np.int16]) -> bool:
    """Return whether two channels hold the same sound, one of them perhaps inverted."""
    a, b = one.astype(np.float64), other.astype(np.float64)
    least = _SAME**2 * min(float(a @ a), float(b @ b))
    return any(float(rest @ rest) <= least for rest in (a - b, a + b))


def _chunks(source: Path | Mixed, start: int, end: int) -> Iterator[bytes]:
    if isinstance(source, Mixed):
        for parts in zip(*(_chunks(file, start, end) for file in source.files), strict=True):
            yield _sum([np.frombuffer(part, _INT16) for part in parts]).tobytes()
        return
    if not 0 <= start <= end:
        raise ValueError(f"samples {start} to {end} are no range")
    with open(source, "rb") as stream:
        stream.seek(start * SAMPLE_BYTES)
        for first in range(start, end, _CHUNK_SAMPLES):
            wanted = (min(end, first + _CHUNK_SAMPLES) - first) * SAMPLE_BYTES
            chunk = stream.read(wanted)
            if len(chunk) < wanted:
                raise MissingSamples(f"{source.name} ends before sample {end}")
            yield chunk


def _sum(parts: list[NDArray[np.int16]]) -> NDArray[np.int16]:
    total = np.sum([part.astype(np.int32) for part in parts], axis=0)
    clipped: NDArray[np.int16] = np.clip(total, -32_768, 32_767).astype(_INT16)
    return clipped
