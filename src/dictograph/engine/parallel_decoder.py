"""Run native code, which does not hold Python's lock, in one thread for each decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class ParallelDecoder:
    """Divides lists among `count` threads."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="decoder") if count > 1 else None

    def run(self, work: Callable[[Sequence[Item]], Sequence[Result]], items: Sequence[Item]) -> list[Result]:
        """Return the results of `work` on all items, in order; each thread gets a part of them.

        Returns, or raises the first part's error, only when all parts have ended.
        """
        if self._threads is None or len(items) < 2:
            return list(work(items))
        futures = [self._threads.submit(work, part) for part in parts(items, self.count)]
        wait(futures)
        return [result for future in futures for result in future.result()]


def parts(items: Sequence[Item], count: int) -> list[Sequence[Item]]:
    """Return the items in at most `count` parts whose lengths differ by one at most; none is empty."""
    count = min(count, len(items))
    cuts = [len(items) * number // count for number in range(count + 1)]
    return [items[start:end] for start, end in pairwise(cuts)]
