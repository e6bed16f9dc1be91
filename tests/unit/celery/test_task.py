"""When a waiting task leaves, and what it gives back."""

from __future__ import annotations

import os
import threading
import time

import pytest

from dictograph.celery.stop_line import StopLine
from dictograph.celery.task import _before


@pytest.mark.parametrize(("limit", "part", "leaves"), [(480, 0.9, 470), (8, 0.8, 6.4), (3, 0.9, 2.7), (0.2, 0.9, 0.1)])
def test_a_task_leaves_before_its_limit(limit: float, part: float, leaves: float) -> None:
    assert _before(limit, part) == pytest.approx(leaves)


@pytest.mark.parametrize("limit", [None, 0])
def test_no_limit_is_none(limit: float | None) -> None:
    assert _before(limit, 0.9) == float("inf")


def test_all_hear_that_the_worker_stops() -> None:
    line = StopLine()
    assert not line.wait(0)
    threading.Timer(0.05, line.stop).start()
    began = time.monotonic()
    assert line.wait(60)
    assert time.monotonic() - began < 50
    assert line.wait(60), "and so does who listens later"


def test_a_process_of_the_pool_hears_the_end_of_the_main_process() -> None:
    line = StopLine()
    child = os.fork()
    if child == 0:  # the process of the pool
        line.only_listen()
        os._exit(0 if line.wait(60) else 1)
    line.only_listen()  # as if the main process had ended
    assert os.waitpid(child, 0)[1] == 0
