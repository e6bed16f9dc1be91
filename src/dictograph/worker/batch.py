"""The windows of one batch: their samples read, their outcomes told."""

from __future__ import annotations

from dictograph.audio.pcm import MissingSamples
from dictograph.engine.protocol import Window, WindowResult
from dictograph.errors import DictographError, StorageUnavailable
from dictograph.worker.lanes import Item, Lane

Batch = list[tuple[Lane, Item]]


async def read_windows(batch: Batch) -> list[Window]:
    """The samples of a batch. What cannot be read leaves it with its error, and so does what nobody waits for now."""
    windows = []
    for entry in list(batch):
        lane, item = entry
        try:
            window = await item.read()
        except (OSError, ValueError, MissingSamples) as error:
            settle(item, StorageUnavailable(f"The decoded audio cannot be read: {error}."))
            batch.remove(entry)
        else:
            if lane.closed:
                batch.remove(entry)
            else:
                windows.append(window)
    return windows


def settle(item: Item, outcome: WindowResult | dict[str, float] | DictographError) -> None:
    """Tell whoever waits for a window what became of it, unless it was told before."""
    if item.done.done():
        return
    if isinstance(outcome, DictographError):
        item.done.set_exception(outcome)
    else:
        item.done.set_result(outcome)
