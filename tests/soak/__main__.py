"""`make soak`: the kill suite at full count, on each combination, and its figures in docs/reliability.md.

    python -m tests.soak [--jobs N] [--kills N] [--outages N] [--seed N] [--only NAME …] [--no-write]

After the combinations come trials of jobs from a topic. Ends with 0 only if every fault is nought. Figures of less than
the full count are printed and not written; the others take the place of the last ones of the same combination.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from scripts.servers import find_postgres
from tests.combinations import own_servers
from tests.soak.plan import Plan
from tests.soak.report import as_text, write_figures, write_trial
from tests.soak.run import Run
from tests.soak.scenario import SCENARIOS, Scenario
from tests.soak.summary import RunSummary
from tests.soak.topic_trials import TRIALS

JOBS, KILLS, FREEZES, OUTAGES = 1_000, 100, 4, 5

#: After a few kills, where workers take jobs from a topic: they have to wait for those that are dead.
REST_S = 8.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Kill it until it is sure that it cannot be.")
    parser.add_argument("--jobs", type=int, default=JOBS, help="on each combination")
    parser.add_argument("--kills", type=int, default=KILLS, help="at random times, on each combination")
    parser.add_argument("--outages", type=int, default=OUTAGES, help="of each server of a combination")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**8))
    parser.add_argument(
        "--only", choices=[*SCENARIOS, *TRIALS], nargs="+", default=[*SCENARIOS, *TRIALS], help="of all these"
    )
    parser.add_argument("--no-write", action="store_true", help="leave the documentation as it is")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that nothing is left running
    if find_postgres() is None:
        parser.exit(1, "PostgreSQL is not installed (on Debian: postgresql)\n")
    plan = Plan(
        jobs=asked.jobs, kills=asked.kills, mid_attempt=asked.kills // 4, freezes=min(FREEZES, asked.kills // 5 + 1),
        outages=asked.outages, seed=asked.seed, limit_s=3600,
    )  # fmt: skip
    print(f"{plan.jobs} jobs and {plan.kills} random kills on each combination, seed {plan.seed}", flush=True)
    full = plan.jobs >= JOBS and plan.kills >= KILLS and plan.outages >= OUTAGES
    clean = True
    for name in asked.only:
        if name in TRIALS:
            _try(name, plan.jobs / JOBS, write=full and not asked.no_write)
            continue
        summary = _run(SCENARIOS[name], plan)
        clean = clean and summary.is_clean
        if full and not asked.no_write:
            write_figures(name, summary, plan)
    return 0 if clean else 1


def _run(scenario: Scenario, plan: Plan) -> RunSummary:
    with ExitStack() as stack:
        servers = stack.enter_context(own_servers(scenario.combination))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dictograph-soak-")))
        # What a stopped worker has from a topic goes to others with its partitions, and its jobs with that.
        plan = replace(
            plan,
            points=scenario.points,
            freezes=plan.freezes if scenario.http else 0,
            rest=REST_S if scenario.stt else 0,
            relentless=not scenario.stt,
        )
        say = lambda line: print(f"  {scenario}: {line}", flush=True)  # noqa: E731
        summary = Run(folder, scenario, servers, plan, say).go()
    print(as_text(str(scenario), summary), flush=True)
    return summary


def _try(name: str, part: float, *, write: bool) -> None:
    """Do a trial at a part of its full count. It fails by itself."""
    trial, count = TRIALS[name]
    figures = trial(max(1, int(count * min(part, 1))), lambda line: print(f"  {name}: {line}", flush=True))
    print(f"{name}: {figures}", flush=True)
    if write:
        write_trial(name, figures)


if __name__ == "__main__":
    sys.exit(main())
