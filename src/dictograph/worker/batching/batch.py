"""Limit the size of a batch, read the samples of its windows, and settle their results."""

from __future__ import annotations

import logging

from dictograph.audio.pcm import MissingSamples
from dictograph.engine.client import MAX_WINDOWS
from dictograph.engine.protocol import Capabilities, Window, WindowResult
from dictograph.errors import DictographError, StorageUnavailable
from dictograph.worker.batching.job_queue import Batch, WindowRequest

log = logging.getLogger(__name__)


class BatchLimit:
    """The number of windows that one batch may have, so that the engine's process stays within its memory.

    A batch that takes too much memory lowers the limit, since the next one would take too much as well. The limit is
    lifted when the engine has not been needed for a while. `batch_size` is the setting (0: what the engine takes).
    """

    def __init__(self, batch_size: int = 0) -> None:
        self._batch_size = batch_size or MAX_WINDOWS
        self._lowered: int | None = None

    def most(self, capabilities: Capabilities) -> int:
        """Return the largest size of the next batch."""
        return max(1, min(capabilities.max_batch, MAX_WINDOWS, self._batch_size, self._lowered or MAX_WINDOWS))

    def too_many(self, count: int, error: DictographError) -> None:
        """Lower the limit to half of `count` (at least two), the size of a batch that took too much memory."""
        self._lowered = max(1, count // 2)
        log.warning(
            "%d windows at once are too many for the memory: %s From now on it gets %d at once "
            "(DICTOGRAPH_BATCH_SIZE=%d would have it begin so).",
            count, error, self._lowered, self._lowered,
        )  # fmt: skip

    def forget(self) -> None:
        """Lift the limit: the next batch may be a whole one again."""
        self._lowered = None


async def read_windows(batch: Batch) -> list[Window]:
    """Read and return the samples of a batch.

    A window that cannot be read leaves the batch, and its request gets the error. The windows of a job that was closed
    meanwhile leave the batch as well.
    """
    windows = []
    for entry in list(batch):
        job, request = entry
        try:
            window = await request.read()
        except (OSError, ValueError, MissingSamples) as error:
            settle(request, StorageUnavailable("The decoded audio cannot be read.", detail=str(error)))
            batch.remove(entry)
        else:
            if job.closed:
                batch.remove(entry)
            else:
                windows.append(window)
    return windows


def settle(request: WindowRequest, outcome: WindowResult | dict[str, float] | DictographError) -> None:
    """Set the result or the error of a request, unless it is settled already."""
    if request.done.done():
        return
    if isinstance(outcome, DictographError):
        request.done.set_exception(outcome)
    else:
        request.done.set_result(outcome)
