"""An API and two workers are killed, again and again, wherever they stand: nothing is lost, nothing is done twice.

`make soak` does the same at full count. `CHAOS_KILLS` and `CHAOS_SEED` in the environment set how often a process is
killed at a random time, and from which seed.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

import pytest

from tests.postgres import cluster
from tests.soak.faults import FAULTS
from tests.soak.fleet import OF_API, OF_WORKER
from tests.soak.run import MAX_BATCH, Plan, Run
from tests.soak.summary import RunSummary

KILLS = int(os.environ.get("CHAOS_KILLS", "12"))
SEED = int(os.environ.get("CHAOS_SEED", "20261121"))
MID_ATTEMPT = 15
PLAN = Plan(jobs=60, kills=KILLS, mid_attempt=MID_ATTEMPT, freezes=1, seed=SEED, limit_s=500, pause=(0.5, 2.0))

#: The whole run is in front of the first test of each database.
pytestmark = pytest.mark.timeout(900)

#: Each database sees every second of the named points.
_ALL = OF_API + OF_WORKER
POINTS = {"sqlite": _ALL[::2], "postgresql": _ALL[1::2]}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def verdict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """What a run on each database came to."""
    with ExitStack() as stack:
        url = stack.enter_context(cluster()).new_database() if request.param == "postgresql" else ""
        folder = tmp_path_factory.mktemp(request.param)
        verdict = Run(folder, url, replace(PLAN, points=POINTS[request.param])).go()
    print(f"\n{request.param}: {verdict}")
    return verdict


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost_doubled_or_left_behind(verdict: RunSummary, fault: str) -> None:
    assert verdict.faults[fault] == 0, f"{FAULTS[fault]}: {verdict.details[fault]}"


def test_every_stale_write_is_refused(verdict: RunSummary) -> None:
    """Those of one who took over a worker's leases when they were over, and those of a worker that was stopped."""
    assert verdict.stale_writes_refused == verdict.stale_writes > 100
    assert verdict.attempts_noticed == verdict.attempts_taken >= 1


def test_windows_are_transcribed_once_but_for_a_batch_per_kill(verdict: RunSummary) -> None:
    assert 0 <= verdict.repeated_windows <= 2 * MAX_BATCH * verdict.interruptions


def test_the_run_was_as_hard_as_it_was_meant_to_be(verdict: RunSummary, request: pytest.FixtureRequest) -> None:
    assert verdict.jobs >= PLAN.jobs
    assert verdict.random_kills >= KILLS
    assert verdict.mid_attempt >= MID_ATTEMPT
    assert verdict.followed >= 1
    reached = set(verdict.named_kills)
    assert any(reached == {point.value for point in points} for points in POINTS.values())


def test_all_named_points_are_reached_over_the_two() -> None:
    assert {point for points in POINTS.values() for point in points} == set(_ALL)
