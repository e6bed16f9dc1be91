"""Threads and batch sizes that the settings leave open."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dictograph.engine.parallel_decoder import ParallelDecoder, parts
from dictograph.engine.sizing import Sizing, cores, sizing

GIB = 2**30


@pytest.mark.parametrize(
    ("device", "threads", "memory", "expected"),
    [
        ("cpu", 2, 1 * GIB, Sizing(2, 2, 1)),
        ("cpu", 2, 3 * GIB, Sizing(2, 2, 2)),
        ("cpu", 2, 4 * GIB, Sizing(2, 2, 4)),
        ("cpu", 1, 512 * GIB, Sizing(1, 1, 4)),
        ("cpu", 2, 512 * GIB, Sizing(2, 2, 8)),
        ("cpu", 16, 512 * GIB, Sizing(16, 4, 16)),
        ("cuda", 2, 3 * GIB, Sizing(2, 1, 16)),
    ],
)
def test_the_batch_follows_from_device_cores_and_memory(
    device: str, threads: int, memory: int, expected: Sizing
) -> None:
    assert sizing(device, threads, memory=memory) == expected
    assert expected.threads_each * expected.decoders <= threads


def test_what_was_set_is_kept_and_the_rest_follows_from_the_machine() -> None:
    assert sizing("cpu", threads=3, batch=11, memory=GIB) == Sizing(3, 3, 11)
    assert sizing("cpu").threads == cores()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_work_is_shared_out_in_order(count: int) -> None:
    items = list(range(5))
    assert [one for part in parts(items, count) for one in part] == items
    sizes = [len(part) for part in parts(items, count)]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) > 0
    assert ParallelDecoder(count).run(lambda part: [2 * one for one in part], items) == [2 * one for one in items]
    assert ParallelDecoder(count).run(lambda part: part, []) == []


def test_one_part_that_fails_fails_all_when_the_others_are_done() -> None:
    done: list[int] = []

    def work(part: Sequence[int]) -> Sequence[int]:
        if 0 in part:
            raise MemoryError
        done.extend(part)
        return part

    with pytest.raises(MemoryError):
        ParallelDecoder(2).run(work, [0, 1, 2, 3])
    assert done == [2, 3]
