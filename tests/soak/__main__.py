"""`make soak`: the kill suite at full count, on each database, and its figures in docs/reliability.md.

    python -m tests.soak [--jobs N] [--kills N] [--seed N] [--database sqlite|postgresql] [--no-write]

Ends with 0 only if every fault is nought. Figures of less than the full count are printed and not written.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scripts.servers import find_postgres
from tests.postgres import cluster
from tests.soak.faults import FAULTS
from tests.soak.report import as_text, write_figures
from tests.soak.run import Plan, Run
from tests.soak.summary import RunSummary

DATABASES = ("sqlite", "postgresql")
JOBS, KILLS, FREEZES = 1_000, 100, 4


def main() -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Kill it until it is sure that it cannot be.")
    parser.add_argument("--jobs", type=int, default=JOBS, help="on each database")
    parser.add_argument("--kills", type=int, default=KILLS, help="at random times, on each database")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**8))
    parser.add_argument("--database", choices=DATABASES, help="only this one")
    parser.add_argument("--no-write", action="store_true", help="leave the documentation as it is")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that nothing is left running
    plan = Plan(
        jobs=asked.jobs, kills=asked.kills, mid_attempt=asked.kills // 4, freezes=min(FREEZES, asked.kills // 5 + 1),
        seed=asked.seed, relentless=True, limit_s=3600,
    )  # fmt: skip
    if find_postgres() is None:
        parser.exit(1, "PostgreSQL is not installed (on Debian: postgresql)\n")
    print(f"{plan.jobs} jobs and {plan.kills} random kills on each database, seed {plan.seed}", flush=True)
    summaries = {name: _run(name, plan) for name in DATABASES if asked.database in (None, name)}
    full = len(summaries) == len(DATABASES) and plan.jobs >= JOBS and plan.kills >= KILLS
    if full and not asked.no_write:
        write_figures(summaries, plan)
    return 0 if not any(summary.faults[fault] for summary in summaries.values() for fault in FAULTS) else 1


def _run(name: str, plan: Plan) -> RunSummary:
    with ExitStack() as stack:
        url = stack.enter_context(cluster()).new_database() if name == "postgresql" else ""
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dictograph-soak-")))
        summary = Run(folder, url, plan, say=lambda line: print(f"  {name}: {line}", flush=True)).go()
    print(as_text(name, summary), flush=True)
    return summary


if __name__ == "__main__":
    sys.exit(main())
