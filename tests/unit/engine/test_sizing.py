"""Threads and batch sizes that the settings leave open."""

from __future__ import annotations

import pytest

from dictograph.engine.sizing import Sizing, cores, sizing

GIB = 2**30


@pytest.mark.parametrize(
    ("device", "memory", "batch"),
    [("cpu", 1 * GIB, 1), ("cpu", 3 * GIB, 2), ("cpu", 4 * GIB, 4), ("cpu", 512 * GIB, 4), ("cuda", 3 * GIB, 16)],
)
def test_the_batch_follows_from_device_and_memory(device: str, memory: int, batch: int) -> None:
    assert sizing(device, memory=memory) == Sizing(cores(), batch)


def test_what_was_set_is_kept() -> None:
    assert sizing("cpu", threads=3, batch=11, memory=GIB) == Sizing(3, 11)
