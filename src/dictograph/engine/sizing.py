"""Choose the number of threads of an engine and of windows in a batch, where the settings leave it open.

On a CPU windows are decoded in parallel: each decoder has few threads of its own, since threads that share one
small multiplication spend their time on waiting for each other. Measured with a model of `base` size on two cores,
beam 5, in seconds for a window: two threads that decode four windows together take 1.04; two decoders of one thread
each take 0.75 with two windows each, 0.68 with four, 0.70 with eight. Even a single window is decoded faster by one
thread (1.6 s) than by two (2.2 s). So each decoder gets four, and a job that comes meanwhile does not wait for eight.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

from dictograph.runtime.cgroup import cpu_limit, memory_limit

#: Of the file system.
_ROOT = Path("/")

#: Each further decoder needs memory for its own windows; more of them than this were never measured.
_MOST_DECODERS = 4

_WINDOWS_EACH = 4
_GPU_BATCH = 16

#: Below these amounts of memory (bytes), batches have fewer windows: those of a `small` model take 110 MB each, of a
#: large one 500.
_BATCH_BY_MEMORY = ((2 * 2**30, 1), (4 * 2**30, 2), (8 * 2**30, 4))


@dataclass(frozen=True, slots=True)
class Sizing:
    """The threads of one engine process, the decoders that share them, and the largest batch in windows."""

    threads: int
    decoders: int
    batch: int

    @property
    def threads_each(self) -> int:
        """The threads of one decoder."""
        return max(1, self.threads // self.decoders)


def sizing(device: str, threads: int = 0, batch: int = 0, memory: int | None = None) -> Sizing:
    """Return the sizing for a device (`cpu` or `cuda`); 0 means automatic, `memory` is the machine's, in bytes.

    A batch that does not fit all the same is halved by the engine (see `memory`).
    """
    threads = threads or cores()
    if device == "cuda":
        return Sizing(threads, 1, batch or _GPU_BATCH)
    decoders = min(threads, _MOST_DECODERS)
    total = whole_memory() if memory is None else memory
    return Sizing(threads, decoders, batch or _cpu_batch(total, decoders * _WINDOWS_EACH))


def cores(root: Path | None = None) -> int:
    """Return the number of physical cores that this process may use: more threads would only slow each other down.

    It is no more than a container's share of processor time: threads beyond it are stopped in each period.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable, cpu_limit(root or _ROOT) or usable))


def whole_memory(root: Path | None = None) -> int:
    """Return the machine's memory in bytes, or that of the container if it has less. `root`: of the file system."""
    machine = psutil.virtual_memory().total
    return min(machine, memory_limit(root or _ROOT) or machine)


def engine_memory(wanted: int = 0) -> int:
    """Return the bytes that an engine's process may have: those of the setting; 0: three quarters of the memory."""
    return wanted or whole_memory() * 3 // 4


def models_memory(wanted: int = 0) -> int:
    """Return the bytes for all processes with a model: those of the setting; 0: three quarters of the memory."""
    return wanted or whole_memory() * 3 // 4


def _cpu_batch(memory: int, most: int) -> int:
    return min(most, next((batch for below, batch in _BATCH_BY_MEMORY if memory < below), most))
