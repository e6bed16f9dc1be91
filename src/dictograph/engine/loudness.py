"""Measure how loud a window is from moment to moment, to find its pauses."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dictograph.engine.protocol import SAMPLE_RATE, Samples

#: Length of a frame, in seconds.
FRAME_S: Final = 0.01

_FRAME = round(FRAME_S * SAMPLE_RATE)
_SILENCE_DB = -20.0  # of a frame without any signal, on a scale where one step of int16 is 0 dB

# A frame is quiet when it is this far below the loudest speech, at most and at least, and otherwise
# when it is near the window's background. Speech spans some 30 dB from vowels to weak fricatives.
_DEEP_DB = 40.0
_SHALLOW_DB = 20.0
_ABOVE_BACKGROUND_DB = 6.0
_MERGED_FRAMES = 5


class Loudness:
    """The level of every 10 ms frame of a window, and which frames are quiet against its speech.

    `sound[i]` is True where frame i is not quiet. In a window whose speech barely rises above its
    background nothing counts as quiet: no pause is better than a wrong one.
    """

    def __init__(self, samples: Samples) -> None:
        self.levels = _levels(samples)
        self.sound: NDArray[np.bool_] = self.levels >= _threshold(self.levels)

    def quietest(self, first: float, last: float) -> float:
        """Return the middle of the quietest 50 ms between two times, all in seconds."""
        begin, end = round(first / FRAME_S), round(last / FRAME_S)
        power = 10 ** (self.levels[begin:end] / 10)
        smooth = np.convolve(power, np.ones(_MERGED_FRAMES), mode="valid")
        return float(begin + int(np.argmin(smooth)) + _MERGED_FRAMES / 2) * FRAME_S


def is_empty(samples: Samples) -> bool:
    """Return whether there is no sound at all: only the last bit changes."""
    return samples.size == 0 or int(samples.max()) - int(samples.min()) <= 1


def _levels(samples: Samples) -> NDArray[np.float64]:
    frames = -(-len(samples) // _FRAME)
    padded = np.zeros(frames * _FRAME)
    padded[: len(samples)] = samples
    power = np.mean(padded.reshape(frames, _FRAME) ** 2, axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_SILENCE_DB / 10))), dtype=np.float64)


def _threshold(levels: NDArray[np.float64]) -> float:
    if levels.size == 0:
        return 0.0
    speech, background = np.percentile(levels, 98), np.percentile(levels, 10)
    return float(min(speech - _SHALLOW_DB, max(speech - _DEEP_DB, background + _ABOVE_BACKGROUND_DB)))
