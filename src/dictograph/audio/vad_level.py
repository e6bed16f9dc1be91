"""Follow the level of a sound, block by block, so that a quiet one can be lifted before it is judged.

All of it is whole numbers, so that no bit depends on how the audio was cut into requests.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dictograph.audio.vad import BLOCK_SAMPLES

#: The level falls by 1 dB in so many blocks (0.64 s) after a louder one. It rises at once.
BLOCKS_PER_DB = 20

#: The level of digital silence, in dB below full scale; the follower's lowest.
FLOOR_DB = -100

_DB = np.arange(FLOOR_DB + 1, 1)
#: The energy of a block of int16 samples from which on it has each level of `_DB`.
_ENERGIES = np.ceil(BLOCK_SAMPLES * 32768.0**2 * 10.0 ** (_DB / 10)).astype(np.int64)


#: The factor of each whole number of dB, from 0 on.
_FACTORS = (10.0 ** (np.arange(-FLOOR_DB + 1) / 20)).astype(np.float32)


def follow(samples: NDArray[np.int16], level: int) -> tuple[NDArray[np.int64], int]:
    """Return the level at each whole block (dB), and the follower's state after them; `level` is its state before.

    The state is in steps of 1 dB / `BLOCKS_PER_DB` above `FLOOR_DB`; 0 before the first block.
    """
    blocks = samples.reshape(-1, BLOCK_SAMPLES).astype(np.int64)
    steps = np.searchsorted(_ENERGIES, np.sum(blocks * blocks, axis=1), side="right") * BLOCKS_PER_DB
    slope = np.arange(1, len(steps) + 1)
    followed = np.maximum(np.maximum.accumulate(steps + slope), level) - slope
    return followed // BLOCKS_PER_DB + FLOOR_DB, int(followed[-1]) if len(followed) else level


def gain(levels: NDArray[np.int64], least: int, most: int) -> NDArray[np.float32]:
    """Return the factor that lifts each block to the level `least` (dB), by `most` dB at the most."""
    return _FACTORS[np.minimum(np.maximum(least - levels, 0), most)]
