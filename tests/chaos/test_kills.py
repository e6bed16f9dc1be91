"""Processes and their servers are killed, again and again, wherever they stand: nothing is lost, nothing is done twice.

`make soak` does the same at full count. `CHAOS_KILLS` and `CHAOS_SEED` in the environment set how often a process is
killed at a random time, and from which seed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from dictograph.runtime.crash import Point
from tests.combinations import own_servers
from tests.soak.faults import FAULTS, STT_FAULTS
from tests.soak.plan import Plan
from tests.soak.run import MAX_BATCH, Run
from tests.soak.scenario import OF_API, OF_BUCKET, OF_TOPIC, OF_WORKER, SCENARIOS, Scenario
from tests.soak.summary import RunSummary

KILLS = int(os.environ.get("CHAOS_KILLS", "10"))
SEED = int(os.environ.get("CHAOS_SEED", "20261121"))

#: The whole run is in front of the first test of each scenario.
pytestmark = pytest.mark.timeout(900)


def _plan(jobs: int, mid_attempt: int, *points: Point, freezes: int = 0, outages: int = 0, rest: float = 0) -> Plan:
    return Plan(
        jobs, KILLS, mid_attempt, freezes, points, outages, seed=SEED, limit_s=500, pause=(0.5, 2.0), rest=rest,
    )  # fmt: skip


#: Each scenario sees some of the named points. Those with brokers and buckets take ten minutes on two cores: they are
#: run where CHAOS_SERVERS is set, and by `make soak`.
_ALL = OF_API + OF_WORKER
PLANS = {
    "sqlite+database+folder": _plan(60, 15, *_ALL[0::2], freezes=1),
    "postgresql+database+folder": _plan(60, 15, *_ALL[1::2], freezes=1),
}
if os.environ.get("CHAOS_SERVERS"):
    PLANS |= {
        "postgresql+kafka+s3": _plan(
            60, 10, Point.JOB_CREATED, *OF_BUCKET, Point.OFFSET_COMMITTING, *OF_WORKER[1::2], outages=1, rest=4
        ),
        "K on sqlite+kafka+s3": _plan(20, 5, *OF_TOPIC, Point.MESSAGE_SENDING, Point.MESSAGE_ACKED, outages=1, rest=4),
    }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run of a scenario came to, the servers that it had, and what was planned."""

    scenario: Scenario
    servers: set[str]
    plan: Plan
    summary: RunSummary


@pytest.fixture(scope="module", params=PLANS)
def verdict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    """The run of each scenario, on servers of its own."""
    scenario, plan = SCENARIOS[request.param], PLANS[request.param]
    with own_servers(scenario.combination) as servers:
        summary = Run(tmp_path_factory.mktemp("run"), scenario, servers, plan).go()
    print(f"\n{scenario}: {summary}")
    return Verdict(scenario, set(servers.by_name()), plan, summary)


@pytest.mark.parametrize("fault", FAULTS | STT_FAULTS)
def test_nothing_is_lost_doubled_or_left_behind(verdict: Verdict, fault: str) -> None:
    summary = verdict.summary
    assert summary.faults[fault] == 0, f"{(FAULTS | STT_FAULTS)[fault]}: {summary.details[fault]}"


def test_every_stale_write_is_refused(verdict: Verdict) -> None:
    """Those of one who took over a worker's leases when they were over, and those of a worker that was stopped."""
    summary = verdict.summary
    assert summary.stale_writes_refused == summary.stale_writes > 100
    assert summary.attempts_noticed == summary.attempts_taken >= verdict.plan.freezes


def test_windows_are_transcribed_once_but_for_a_batch_per_kill(verdict: Verdict) -> None:
    """A job from a topic begins anew where its partition goes to another worker, on a database of its own."""
    begun_anew = verdict.scenario.stt and not verdict.scenario.http
    assert verdict.summary.repeated_windows >= 0
    assert begun_anew or verdict.summary.repeated_windows <= 2 * MAX_BATCH * verdict.summary.interruptions


def test_the_run_was_as_hard_as_it_was_meant_to_be(verdict: Verdict) -> None:
    summary, plan = verdict.summary, verdict.plan
    assert summary.jobs >= plan.jobs
    assert summary.random_kills >= KILLS
    assert summary.mid_attempt >= plan.mid_attempt
    assert set(summary.named_kills) == {point.value for point in plan.points}
    assert set(summary.servers_killed) == (verdict.servers if plan.outages else set())
    assert all(times >= plan.outages for times in summary.servers_killed.values())
    assert summary.followed >= verdict.scenario.http
    assert (summary.topic_jobs > 0) == verdict.scenario.stt


def test_all_named_points_are_reached_over_them() -> None:
    wanted = Point if os.environ.get("CHAOS_SERVERS") else _ALL
    assert {point for plan in PLANS.values() for point in plan.points} == set(wanted)
