"""Put the segments of windows into the order of their start: windows of several channels overlap."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from dictograph.engine.protocol import WindowResult
from dictograph.store.jobs.progress import StoredWindow
from dictograph.transcript import Segment


class SegmentOrder:
    """Takes windows by their start, and gives the segments that no later window can precede.

    Held back is what begins behind the start of the last window: less than a window of each channel.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Segment]] = []
        self._count = 0

    def add(self, window: StoredWindow) -> Iterator[Segment]:
        """Take the next window; yield the segments that are in order now."""
        segments = WindowResult.from_dict(window.result or {}).segments
        if window.channel is None:
            yield from self.rest()
            yield from segments
            return
        while self._waiting and self._waiting[0][0] < window.start:
            yield heapq.heappop(self._waiting)[2]
        for segment in segments:
            self._count += 1
            heapq.heappush(self._waiting, (segment.start, self._count, segment))

    def rest(self) -> Iterator[Segment]:
        """Yield what is held back: no window follows."""
        while self._waiting:
            yield heapq.heappop(self._waiting)[2]


def in_order(windows: Iterable[StoredWindow]) -> Iterator[Segment]:
    """Yield the segments of all windows by their start."""
    order = SegmentOrder()
    for window in windows:
        yield from order.add(window)
    yield from order.rest()
