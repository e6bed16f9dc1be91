"""What the voice detector's process and its parent say to each other. Light: imports no inference.

The detector hears blocks of 512 samples (32 ms) one after the other. What it remembers between two
blocks travels with every request and every answer, so that its process may be replaced at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dictograph.child.frames import Frame

#: Samples in a block; each block gets one probability of speech.
BLOCK_SAMPLES = 512

#: Blocks in one request at the most: 64 s of audio, so that several jobs take turns.
MAX_BLOCKS = 2000

#: Numbers in each of the model's two recurrent vectors, and samples that it sees of the block before.
HIDDEN = 128
CONTEXT = 64

_STATE_NUMBERS = HIDDEN + HIDDEN + CONTEXT
_FLOAT = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class VadState:
    """What the detector remembers after a block: h (128), c (128) and the last 64 samples, as float32.

    Raises ValueError when there are not exactly these 320 numbers.
    """

    numbers: NDArray[np.float32]

    def __post_init__(self) -> None:
        if self.numbers.shape != (_STATE_NUMBERS,):
            raise ValueError(f"the state of the voice detector is {_STATE_NUMBERS} numbers, not {self.numbers.shape}")

    @classmethod
    def fresh(cls) -> VadState:
        """The state before the first block."""
        return cls(np.zeros(_STATE_NUMBERS, _FLOAT))

    @classmethod
    def from_bytes(cls, data: bytes) -> VadState:
        return cls(np.frombuffer(data, _FLOAT))

    def to_bytes(self) -> bytes:
        return self.numbers.astype(_FLOAT, copy=False).tobytes()


@dataclass(frozen=True, slots=True)
class ListenRequest:
    """Listen to `blocks` blocks of a PCM file (mono 16 kHz s16le) from block `first` on, coming from `state`.

    A block that the file holds only a part of is filled up with zeros; one of which it holds
    nothing is an error. So a file that still grows must be asked only for what it has whole.
    """

    pcm: Path
    first: int
    blocks: int
    state: VadState

    def frame(self) -> Frame:
        header = {"op": "listen", "pcm": str(self.pcm), "first": self.first, "blocks": self.blocks}
        return Frame(header, self.state.to_bytes())

    @classmethod
    def from_frame(cls, frame: Frame) -> ListenRequest:
        """Raises KeyError, TypeError or ValueError when the frame is no such request."""
        header = frame.header
        request = cls(Path(header["pcm"]), int(header["first"]), int(header["blocks"]), VadState.from_bytes(frame.body))
        if request.first < 0 or not 0 < request.blocks <= MAX_BLOCKS:
            raise ValueError(f"blocks {request.first} + {request.blocks} cannot be asked for")
        return request


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
