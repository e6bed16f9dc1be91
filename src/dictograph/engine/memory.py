"""What to do when a batch is too large for the memory there is: less at a time. And what one took goes back."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, a native library's too, says that memory ran out: the machine's or a GPU's."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "bad_alloc" in words


def release_memory() -> None:
    """Give the system what the C library keeps for later, in holes too: else these grow for some minutes.

    malloc_trim(3), which glibc has. What the next batch then takes anew costs it about a hundredth of its time.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class AdaptiveBatcher:
    """How many windows an engine works on at once: at most `most`, which sinks when so many do not fit into the memory.

    It does not rise again: an engine that is loaded anew begins with the whole.
    """

    def __init__(self, most: int) -> None:
        self.most = max(1, most)

    def run(
        self, work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], at_most: int | None = None
    ) -> list[Result]:
        """The results of `work` on all items, in order; not more than `at_most` at a time either.

        A batch that runs out of memory is done again in halves, and so are all that follow, of later calls too; a
        single item that does not fit raises its error.
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
