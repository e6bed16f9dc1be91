from __future__ import annotations

import hashlib
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from dictograph.audio import pcm
from dictograph.audio.pcm_writer import PcmWriter, TooManySamples


def test_ranges_of_a_growing_file(tmp_path: Path) -> None:
    file = tmp_path / "a.pcm"
    samples = np.arange(-3000, 3000, dtype="<i2")
    file.write_bytes(samples.tobytes() + b"\x01")
    assert pcm.read(file, 100, 5000).tolist() == samples[100:5000].tolist()
    assert pcm.read(file, 7, 7).size == 0
    assert pcm.sha256(file, 100, 5000) == hashlib.sha256(samples[100:5000].tobytes()).hexdigest()
    with pytest.raises(pcm.MissingSamples):
        pcm.read(file, 0, 6001)
    with pytest.raises(ValueError, match="range"):
        pcm.read(file, 5, 4)
    with file.open("ab") as more:
        more.write(b"\x00")
    assert pcm.read(file, 5999, 6001).tolist() == [2999, 1]


def test_silence_overlaps_and_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "a.pcm"
    with FileIO(file, "w") as raw:
        writer = PcmWriter(raw, max_seconds=1.0)
        writer.write(np.full(10, 1, "<i2").tobytes())
        writer.go_to(15)
        writer.write(np.full(10, 2, "<i2").tobytes())
        writer.go_to(22)
        assert (writer.position, writer.next_position) == (25, 22)
        writer.write(np.full(2, 3, "<i2").tobytes())
        writer.write(np.full(5, 4, "<i2").tobytes())
        assert writer.flush() == 29
        with pytest.raises(TooManySamples):
            writer.go_to(16_001)
        with pytest.raises(TooManySamples):
            writer.write(bytes(2 * 16_000))
    assert pcm.read(file, 0, 29).tolist() == [1] * 10 + [0] * 5 + [2] * 10 + [4] * 4
    assert file.stat().st_size == 58
