"""Silero VAD (MIT licence), the model file in faster-whisper's package, run by onnxruntime.

The model hears the audio three times, each time with a recurrent state that begins anew at fixed block numbers, so that
memory is bounded; a block's probability is the largest of the three. All of it depends on the block's number and the
sound alone, however the audio is cut into requests.

Imported in the speech detector's process only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dictograph.audio.vad import BLOCK_SAMPLES, CONTEXT, HIDDEN, VadState, Vectors
from dictograph.audio.vad_level import follow, gain
from dictograph.child.loop import ChildError

_MODEL = "silero_vad_v6.onnx"

#: Blocks in one run of the model. On the processors measured, the size changes no bit of the
#: result; from 16 on it does not change the speed either (800 s of audio a second on one core, for each pass).
_BATCH = 32


@dataclass(frozen=True, slots=True)
class Hearing:
    """How the model hears. `make calibrate` measures each number; docs/explanation/detection.md has the tables.

    Args:
        passes: For each pass: after how many blocks it begins with a new state, at which block the first time, and
            whether that state has heard silence. What a state has heard makes it deaf: to speech behind music within
            half a minute, to a short word within seconds of silence. So two passes begin anew after 4.1 s, in turn;
            one remembers up to 16 s of a voice.
        silent_blocks: The silence, in blocks (0.8 s). Without, words at the very beginning are missed; with it, others.
        least_db: Sound below this level (dB below full scale) is lifted to it. Speech at −60 dB is not heard else.
        lift_db: The most that it is lifted by.
    """

    passes: tuple[tuple[int, int, bool], ...] = ((128, 0, True), (128, 64, True), (512, 256, False))
    silent_blocks: int = 24
    least_db: int = -40
    lift_db: int = 45

    @property
    def period(self) -> int:
        """Blocks after which everything begins anew."""
        return math.lcm(*(every for every, _, _ in self.passes))


def model_file() -> Path:
    """Return the path of the model, without importing faster_whisper, which would load much more.

    Raises ChildError `vad_failed` when it is not there.
    """
    package = find_spec("faster_whisper")
    folders = (package.submodule_search_locations or []) if package is not None else []
    for folder in folders:
        file = Path(folder) / "assets" / _MODEL
        if file.is_file():
            return file
    raise ChildError("vad_failed", f"The installed faster-whisper does not bring {_MODEL}: install it again.")


@dataclass(frozen=True, slots=True)
class _Pass:
    """One hearing of the audio: after how many blocks it begins with a new state, where first, and that state."""

    every: int
    first: int
    state: Vectors


class Silero:
    """The loaded model. It keeps no state between two calls."""

    def __init__(self, file: Path, hearing: Hearing = Hearing()) -> None:
        self._hearing = hearing
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        zeros = np.zeros((1, 1, HIDDEN), np.float32)
        silence = np.zeros((hearing.silent_blocks, CONTEXT + BLOCK_SAMPLES), np.float32)
        _, rested = self._run(silence, (zeros, zeros))
        self._passes = [
            _Pass(every, first, rested if after_silence else (zeros, zeros))
            for every, first, after_silence in hearing.passes
        ]

    def listen(self, samples: NDArray[np.int16], state: VadState) -> tuple[NDArray[np.float32], VadState]:
        """Return the probability of speech in each block of 512 samples, and the state after the last one.

        `samples` (mono, 16 kHz) are filled up with zeros to whole blocks.
        """
        blocks = -(-len(samples) // BLOCK_SAMPLES)
        whole = np.zeros(blocks * BLOCK_SAMPLES, np.int16)
        whole[: len(samples)] = samples
        levels, level = follow(whole, state.level)
        sound = np.concatenate([state.context, whole / np.float32(32768)])
        gains = gain(levels, self._hearing.least_db, self._hearing.lift_db)
        heard = [
            self._hear(each, sound, gains, vectors, each.first - state.phase)
            for each, vectors in zip(self._passes, state.vectors, strict=True)
        ]
        phase = (state.phase + blocks) % self._hearing.period
        after = VadState.of([vectors for _, vectors in heard], sound[-CONTEXT:], level, phase)
        return np.maximum.reduce([probabilities for probabilities, _ in heard]), after

    def _hear(
        self, each: _Pass, sound: NDArray[np.float32], gains: NDArray[np.float32], vectors: Vectors, renewed: int
    ) -> tuple[NDArray[np.float32], Vectors]:
        """Hear the sound once, which begins 64 samples before block 0; with a new state at block `renewed`."""
        if not vectors[0].any():  # nothing was heard yet
            vectors = each.state
        found = [np.empty(0, np.float32)]
        for begin, end in _batches(len(gains), each.every, renewed):
            if (begin - renewed) % each.every == 0:
                vectors = each.state
            rows = _with_context(sound, begin, end - begin) * gains[begin:end, np.newaxis]
            probabilities, vectors = self._run(rows, vectors)
            found.append(probabilities)
        return np.concatenate(found), vectors

    def _run(self, rows: NDArray[np.float32], vectors: Vectors) -> tuple[NDArray[np.float32], Vectors]:
        probabilities, h, c = self._session.run(None, {"input": rows, "h": vectors[0], "c": vectors[1]})
        return np.ravel(probabilities), (h, c)


def _batches(blocks: int, every: int, first: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of blocks (begin, end); one begins at block `first`, and `every` so many before and behind."""
    begin = 0
    while begin < blocks:
        end = min(begin + _BATCH, begin + (first - begin - 1) % every + 1, blocks)
        yield begin, end
        begin = end


def _with_context(sound: NDArray[np.float32], first: int, blocks: int) -> NDArray[np.float32]:
    """Return rows of a block with the 64 samples before it; `sound` begins 64 samples before block 0."""
    rows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + BLOCK_SAMPLES)
    begin = first * BLOCK_SAMPLES
    return rows[begin : begin + (blocks - 1) * BLOCK_SAMPLES + 1 : BLOCK_SAMPLES]
