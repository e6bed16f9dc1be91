"""How many threads an engine gets and how many windows it decodes together, where the settings leave it open.

Measured with a model of `base` size on two cores, beam 5, in seconds of processor for a window: 2.4 one at a time,
1.8 two together, 1.7 four or eight together. So on a CPU four have nearly all that there is to win, and whoever comes
meanwhile waits half as long as for eight.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

_CPU_BATCH = 4
_GPU_BATCH = 16

#: Below so much memory (bytes), fewer windows at once: those of a `small` model take 110 MB each, of a large one 500.
_BATCH_BY_MEMORY = ((2 * 2**30, 1), (4 * 2**30, 2))


@dataclass(frozen=True, slots=True)
class Sizing:
    """Threads of one engine process, and windows in one batch at the most."""

    threads: int
    batch: int


def sizing(device: str, threads: int = 0, batch: int = 0, memory: int | None = None) -> Sizing:
    """What suits a device (`cpu` or `cuda`); 0 means automatic, `memory` the machine's in bytes.

    A batch that does not fit all the same is halved by the engine (see `memory`).
    """
    total = psutil.virtual_memory().total if memory is None else memory
    return Sizing(threads or cores(), batch or (_GPU_BATCH if device == "cuda" else _cpu_batch(total)))


def cores() -> int:
    """The physical cores that this process may use: more threads than that only get in each other's way."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def _cpu_batch(memory: int) -> int:
    return next((batch for below, batch in _BATCH_BY_MEMORY if memory < below), _CPU_BATCH)
