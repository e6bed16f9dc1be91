"""Silero VAD (MIT licence), the model file in faster-whisper's package, run by onnxruntime.

Imported in the speech detector's process only.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dictograph.audio.vad import BLOCK_SAMPLES, CONTEXT, HIDDEN, VadState
from dictograph.child.loop import ChildError

_MODEL = "silero_vad_v6.onnx"

#: Blocks in one run of the model. On the processors measured, the size changes no bit of the
#: result; from 16 on it does not change the speed either (800 s of audio a second on one core).
_BATCH = 32


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


class Silero:
    """The loaded model. It keeps no state between two calls."""

    def __init__(self, file: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def listen(self, samples: NDArray[np.int16], state: VadState) -> tuple[NDArray[np.float32], VadState]:
        """Return the probability of speech in each block of 512 samples, and the state after the last one.

        `samples` (mono, 16 kHz) are filled up with zeros to whole blocks.
        """
        blocks = -(-len(samples) // BLOCK_SAMPLES)
        sound = np.zeros(CONTEXT + blocks * BLOCK_SAMPLES, np.float32)
        sound[:CONTEXT] = state.numbers[2 * HIDDEN :]
        sound[CONTEXT : CONTEXT + len(samples)] = samples / np.float32(32768)
        h, c = state.numbers[: 2 * HIDDEN].reshape(2, 1, 1, HIDDEN)
        found = []
        for first in range(0, blocks, _BATCH):
            inputs = _with_context(sound, first, min(_BATCH, blocks - first))
            probabilities, h, c = self._session.run(None, {"input": inputs, "h": h, "c": c})
            found.append(np.ravel(probabilities))
        after = np.concatenate([np.ravel(h), np.ravel(c), sound[-CONTEXT:]])
        return np.concatenate([np.empty(0, np.float32), *found]), VadState(after)


def _with_context(sound: NDArray[np.float32], first: int, blocks: int) -> NDArray[np.float32]:
    """Return rows of a block with the 64 samples before it; `sound` begins 64 samples before block 0."""
    rows = np.lib.stride_tricks.sliding_window_view(sound, CONTEXT + BLOCK_SAMPLES)
    begin = first * BLOCK_SAMPLES
    return np.ascontiguousarray(rows[begin : begin + (blocks - 1) * BLOCK_SAMPLES + 1 : BLOCK_SAMPLES])
