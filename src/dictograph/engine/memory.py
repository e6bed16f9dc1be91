"""Work in smaller batches when one is too large for the memory, and give memory back after a batch."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error, also of a native library, means that the memory of the machine or a GPU ran out."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "bad_alloc" in words


def release_memory() -> None:
    """Give the memory that the C library keeps for later back to the system; else it grows for some minutes.

    This is malloc_trim(3) of glibc. To allocate it again costs the next batch about a hundredth of its time.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class AdaptiveBatcher:
    """Splits work into batches of at most `most` windows; `most` sinks when a batch does not fit into the memory.

    It does not rise again: only an engine that is loaded again begins with the first value.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)

    def run(
        self, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], at_most: int | None = None
    ) -> list[Result]:
        """Return the results of `work` on all items, in order; no batch has more than `at_most` items.

        A batch that runs out of memory is done again in halves; all later batches have that size, also in later calls.
        A single item that does not fit raises its error.
        """
        results: list[Result] = []
        while len(results) < len(items):
            size = min(self.most, at_most or self.most)
            part = items[len(results) : len(results) + size]
            try:
                results += work(part)
            except (RuntimeError, MemoryError) as error:
                if len(part) == 1 or not out_of_memory(error):
                    raise
                self.most = len(part) // 2
        return results
