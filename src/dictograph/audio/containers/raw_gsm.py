"""Recognize raw GSM 06.10: frames of 33 bytes without any header. Runs in the decoder child only.

Each frame begins with the four bits 1101 (RFC 3551, section 4.5.8.1). FFmpeg looks at the first 2 KiB only, so it takes
A-law silence, which is nothing but 0xD5, for GSM. Here frames from the whole file are looked at.
"""

from __future__ import annotations

import os
from io import FileIO
from typing import Final

FRAME_BYTES: Final = 33
_MAGIC: Final = 0xD

#: How many frames are looked at in one place, and in how many places.
_FRAMES: Final = 400
_PLACES: Final = 5

#: The share of frames that has to begin with the bits, and of how many frames at least: chance gives one in 16. With
#: the name of a GSM file a damaged or very short one will do.
_SURE: Final = 0.97
_LEAST_FRAMES: Final = 8
_NAMED: Final = 0.5


def is_raw_gsm(file: FileIO, name: str) -> bool:
    """Return whether a file without a header is GSM by its content. `name` breaks a tie."""
    first, second, frames = 0, 0, 0
    for place in _places(os.fstat(file.fileno()).st_size // FRAME_BYTES):
        data = os.pread(file.fileno(), _FRAMES * FRAME_BYTES, place * FRAME_BYTES)
        whole = len(data) // FRAME_BYTES
        frames += whole
        first += _beginning_like_gsm(data[: whole * FRAME_BYTES : FRAME_BYTES])
        second += _beginning_like_gsm(data[1 : whole * FRAME_BYTES : FRAME_BYTES])
    if not frames or second > _NAMED * frames:  # one byte, repeated
        return False
    if name.lower().endswith(".gsm"):
        return first >= _NAMED * frames
    return frames >= _LEAST_FRAMES and first >= _SURE * frames


def _places(frames: int) -> list[int]:
    if frames <= _PLACES * _FRAMES:
        return list(range(0, frames, _FRAMES))
    return [n * (frames - _FRAMES) // (_PLACES - 1) for n in range(_PLACES)]


def _beginning_like_gsm(beginnings: bytes) -> int:
    return sum(byte >> 4 == _MAGIC for byte in beginnings)
