"""The private memory of a process and all its children, sampled while something runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil


@dataclass(slots=True)
class Samples:
    """The samples: (seconds since the start, bytes)."""

    times: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Return the highest sample, in bytes."""
        return max(self.sizes)


def private_memory(pid: int) -> int:
    """Return the private bytes of this process and its children: the sum of their unique set sizes (USS)."""
    total = 0
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in processes:
        try:
            total += process.memory_full_info().uss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


@contextmanager
def watched(pid: int, every: float = 0.25) -> Iterator[Samples]:
    """Sample the private memory of a process tree every `every` seconds, from a thread."""
    samples, stop, began = Samples(), threading.Event(), time.monotonic()

    def watch() -> None:
        while not stop.is_set():
            samples.sizes.append(private_memory(pid))
            samples.times.append(round(time.monotonic() - began, 2))
            stop.wait(every)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
