"""The windows of one batch: how many they may be, their samples read, their outcomes told."""

from __future__ import annotations

import logging

from dictograph.audio.pcm import MissingSamples
from dictograph.engine.client import MAX_WINDOWS
from dictograph.engine.protocol import Capabilities, Window, WindowResult
from dictograph.errors import DictographError, StorageUnavailable
from dictograph.worker.batching.job_queue import Batch, WindowRequest

log = logging.getLogger(__name__)


class BatchLimit:
    """How many windows at once leave an engine's process within its memory, as far as that has shown.

    Fewer once a batch did not, since the next one would not either; until the engine was not needed for a while.
    `wanted` is the setting (0: as many as the engine takes).
    """

    def __init__(self, wanted: int = 0) -> None:
        self._wanted = wanted or MAX_WINDOWS
        self._found: int | None = None

    def most(self, capabilities: Capabilities) -> int:
        """How many to bring together."""
        return max(1, min(capabilities.max_batch, MAX_WINDOWS, self._wanted, self._found or MAX_WINDOWS))

    def too_many(self, count: int, error: DictographError) -> None:
        """So many, two at least, took too much: from now on half of them."""
        self._found = max(1, count // 2)
        log.warning(
            "%d windows at once are too many for the memory: %s From now on it gets %d at once "
            "(DICTOGRAPH_BATCH_SIZE=%d would have it begin so).",
            count, error, self._found, self._found,
        )  # fmt: skip

    def forget(self) -> None:
        """Begin with whole batches again."""
        self._found = None


async def read_windows(batch: Batch) -> list[Window]:
    """The samples of a batch. What cannot be read leaves it with its error, and so does what nobody waits for now."""
    windows = []
    for entry in list(batch):
        job, item = entry
        try:
            window = await item.read()
        except (OSError, ValueError, MissingSamples) as error:
            settle(item, StorageUnavailable("The decoded audio cannot be read.", detail=str(error)))
            batch.remove(entry)
        else:
            if job.closed:
                batch.remove(entry)
            else:
                windows.append(window)
    return windows


def settle(item: WindowRequest, outcome: WindowResult | dict[str, float] | DictographError) -> None:
    """Tell whoever waits for a window what became of it, unless it was told before."""
    if item.done.done():
        return
    if isinstance(outcome, DictographError):
        item.done.set_exception(outcome)
    else:
        item.done.set_result(outcome)
