"""How the suites are run: which files come first, and how many side by side."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scripts import run_tests
from tests.conftest import LONGEST

TESTS = Path(__file__).parents[1]


def test_the_longest_files_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
    assert len(set(LONGEST)) == len(LONGEST)


@pytest.mark.parametrize(("cores", "workers"), [(1, [1, 1, 1, 1]), (2, [2, 2, 2, 2]), (64, [4, 4, 4, 2])])
def test_a_machine_is_used_and_not_flooded(cores: int, workers: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert [run_tests.workers_for(suite) for suite in run_tests.SUITES] == workers
