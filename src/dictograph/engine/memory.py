"""What to do when a batch is too large for the memory there is: less at a time. And what one took goes back."""

from __future__ import annotations

import contextlib
import ctypes
import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, a native library's too, says that memory ran out: the machine's or a GPU's."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in words or "bad_alloc" in words


def give_back() -> None:
    """Give the system what the C library keeps for later, in holes too: else these grow for some minutes.

    malloc_trim(3), which glibc has. What the next batch then takes anew costs it about a hundredth of its time.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def in_batches(work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item], size: int) -> list[Result]:
    """The results of `work` on all items, at most `size` at a time.

    A batch that runs out of memory is done again in halves, and so are the following ones; a single
    item that does not fit raises its error.
    """
    results: list[Result] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + size]
        try:
            results += work(part)
        except (RuntimeError, MemoryError) as error:
            if len(part) == 1 or not out_of_memory(error):
                raise
            size = len(part) // 2
            log.warning("%d windows at once are too many for the memory; going on with %d", len(part), size)
    return results
