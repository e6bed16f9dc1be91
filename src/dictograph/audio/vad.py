"""The messages between the speech detector's process and its parent. Light: imports no inference.

The detector gets blocks of 512 samples (32 ms) one after the other. Its state between two blocks
travels with every request and every answer, so that its process may be replaced at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dictograph.child.frames import Frame

#: The model's two recurrent vectors, h and c.
Vectors = tuple[NDArray[np.float32], NDArray[np.float32]]

#: Samples in a block; each block gets one probability of speech.
BLOCK_SAMPLES = 512

#: Blocks in one request at the most: 64 s of audio, so that several jobs take turns.
MAX_BLOCKS = 2000

#: Numbers in each of the model's two recurrent vectors, and samples that it sees of the block before.
HIDDEN = 128
CONTEXT = 64

#: How often the model hears the audio at once, each time with a state of its own (see `silero`).
PASSES = 3

#: Where in the state's numbers each part ends: the vectors of every pass, the samples before, the level and the phase.
_VECTORS = PASSES * 2 * HIDDEN
_STATE_NUMBERS = _VECTORS + CONTEXT + 2
_FLOAT = np.dtype("<f4")
_INT16 = np.dtype("<i2")
_STATE_BYTES = _STATE_NUMBERS * _FLOAT.itemsize

#: The largest body of an answer, in bytes.
MAX_LISTENED = MAX_BLOCKS * _FLOAT.itemsize + _STATE_BYTES


@dataclass(frozen=True, slots=True)
class VadState:
    """The state of the detector after a block, as float32.

    It holds two vectors (h and c, 128 numbers each) for every pass, the last 64 samples, the level that the follower
    of the loudness is at, and the number of the next block within its period. Raises ValueError when there are not
    exactly as many numbers.
    """

    numbers: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.numbers.shape != (_STATE_NUMBERS,):
            expected = f"the state of the voice detector is {_STATE_NUMBERS} numbers"
            raise ValueError(f"{expected}, not {self.numbers.shape}")

    @classmethod
    def fresh(cls) -> VadState:
        """Return the state before the first block."""
        return cls(np.zeros(_STATE_NUMBERS, _FLOAT))

    @classmethod
    def of(cls, vectors: Sequence[Vectors], context: NDArray[np.float32], level: int, phase: int) -> VadState:
        """Return the state that consists of these parts."""
        parts = [np.ravel(vector) for pair in vectors for vector in pair]
        return cls(np.concatenate([*parts, context, np.array([level, phase], _FLOAT)]).astype(_FLOAT, copy=False))

    @classmethod
    def from_bytes(cls, data: bytes) -> VadState:
        return cls(np.frombuffer(data, _FLOAT))

    def to_bytes(self) -> bytes:
        return self.numbers.astype(_FLOAT, copy=False).tobytes()

    @property
    def vectors(self) -> list[Vectors]:
        """The recurrent vectors of each pass."""
        shaped = self.numbers[:_VECTORS].reshape(PASSES, 2, 1, 1, HIDDEN)
        return [(pair[0], pair[1]) for pair in shaped]

    @property
    def context(self) -> NDArray[np.float32]:
        """The samples before the next block."""
        return self.numbers[_VECTORS : _VECTORS + CONTEXT]

    @property
    def level(self) -> int:
        return int(self.numbers[-2])

    @property
    def phase(self) -> int:
        """The number of the next block, counted from the last multiple of the period."""
        return int(self.numbers[-1])


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """A request to detect speech in samples (mono 16 kHz, int16), beginning with `state`. An incomplete last
    block is filled up with zeros.

    The samples are in the request, so that the detector's process need not open any file.
    """

    samples: NDArray[np.int16]
    state: VadState

    def frame(self) -> Frame:
        samples = self.samples.astype(_INT16, copy=False).tobytes()
        return Frame({"op": "listen", "samples": len(self.samples)}, self.state.to_bytes() + samples)

    @classmethod
    def from_frame(cls, frame: Frame) -> ListenRequest:
        """Raises KeyError, TypeError or ValueError when the frame is no such request."""
        samples = np.frombuffer(frame.body, _INT16, offset=_STATE_BYTES)
        if len(samples) != int(frame.header["samples"]) or not 0 < len(samples) <= MAX_BLOCKS * BLOCK_SAMPLES:
            raise ValueError(f"{len(samples)} samples cannot be asked for")
        return cls(samples, VadState.from_bytes(frame.body[:_STATE_BYTES]))


@dataclass(frozen=True, slots=True)
class Listened:
    """The answer: one probability for each block, and the state after the last."""

    probabilities: NDArray[np.float32]
    state: VadState

    def frame(self) -> Frame:
        numbers = self.probabilities.astype(_FLOAT, copy=False)
        return Frame({"blocks": len(numbers)}, numbers.tobytes() + self.state.to_bytes())

    @classmethod
    def from_frame(cls, frame: Frame) -> Listened:
        """Raises KeyError, TypeError or ValueError when the frame is no such answer."""
        numbers = np.frombuffer(frame.body, _FLOAT)
        blocks = int(frame.header["blocks"])
        return cls(numbers[:blocks], VadState(numbers[blocks:]))
