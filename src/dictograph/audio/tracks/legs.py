"""Notice that the two channels of a recording cancel each other: one of them is inverted, and their mix is silence.

Some of the samples of some of the frames are looked at: a pair of channels cancels or does not, whatever they say.
Runs in the decoder child only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from av import AudioFrame
from av.audio.plane import AudioPlane

#: The sample formats of FFmpeg: the type of `memoryview`, the value of silence, full scale.
_FORMATS: Final = {
    "u8": ("B", 128, 2.0**7),
    "s16": ("h", 0, 2.0**15),
    "s32": ("i", 0, 2.0**31),
    "s64": ("q", 0, 2.0**63),
    "flt": ("f", 0, 1.0),
    "dbl": ("d", 0, 1.0),
}

#: How many frames of a block are looked at, and about how many samples of each.
_FRAMES: Final = 4
_SAMPLES: Final = 48

#: The mix of legs that cancel each other has less than this share of what two equal legs would give (−20 dB). Below
#: −60 dBFS there is nothing to tell.
_CANCELLED: Final = 0.01
_LEAST_POWER: Final = 1e-6


def cancel(frames: Sequence[AudioFrame]) -> bool | None:
    """Return whether the two legs of these frames cancel each other; None where there is too little sound to tell."""
    mixed, legs, count = 0.0, 0.0, 0
    for frame in frames[:: max(1, len(frames) // _FRAMES)]:
        left, right = _legs(frame)
        mixed += sum((a + b) * (a + b) for a, b in zip(left, right, strict=True))
        legs += sum(a * a + b * b for a, b in zip(left, right, strict=True))
        count += len(left)
    if not count or legs < 2 * count * _LEAST_POWER:
        return None
    return mixed < _CANCELLED * 2 * legs


def _legs(frame: AudioFrame) -> tuple[list[float], list[float]]:
    kind, silence, full = _FORMATS[frame.format.name.removesuffix("p")]
    step = max(1, frame.samples // _SAMPLES)
    if frame.format.is_planar:
        values = [_values(plane, kind)[: frame.samples : step] for plane in frame.planes[:2]]
    else:
        both = _values(frame.planes[0], kind)[: 2 * frame.samples]
        values = [both[:: 2 * step], both[1 :: 2 * step]]
    left, right = ([(value - silence) / full for value in leg.tolist()] for leg in values)
    return left, right


def _values(plane: AudioPlane, kind: Any) -> memoryview[float]:
    found: memoryview[float] = memoryview(plane).cast("B").cast(kind)
    return found
