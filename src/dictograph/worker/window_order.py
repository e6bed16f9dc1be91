"""Put the windows of several channels into one order, as a stream: by their start."""

from __future__ import annotations

from collections.abc import Iterable

from dictograph.worker.pipeline_window import PipelineWindow


class WindowOrder:
    """Holds windows back until no channel can have one that begins earlier: half a minute of each at the most."""

    def __init__(self) -> None:
        self._waiting: list[PipelineWindow] = []

    def add(self, windows: Iterable[PipelineWindow]) -> None:
        """Take windows of one channel."""
        self._waiting.extend(windows)

    def ready(self, earliest: int | None) -> list[PipelineWindow]:
        """Return the windows that begin before sample `earliest`, before which no later one begins; None: all."""
        self._waiting.sort(key=lambda window: (window.span.start, window.channel or 0))
        count = sum(earliest is None or window.span.start < earliest for window in self._waiting)
        ready, self._waiting = self._waiting[:count], self._waiting[count:]
        return ready
