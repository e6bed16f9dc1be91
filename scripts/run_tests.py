"""Run the test suites one after the other and say how long each took: `run_tests.py [SUITE…]`.

unit         one module, no process beside the test
integration  several parts, real database, real children
e2e          the program as a person uses it
chaos        killed, stopped and starved on purpose
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("unit", "integration", "e2e", "chaos")

#: The limit of processes. Files of a suite share nothing and run side by side, one for each core. In the chaos suite
#: many parallel files would starve a test by accident; there tests are starved only on purpose.
AT_MOST = {"unit": 4, "integration": 4, "e2e": 4, "chaos": 2}

#: Say which tests took longest: there a suite is made shorter.
SLOWEST = ("--durations=12", "--durations-min=5")

#: A test that takes longer counts as hanging. It is ended, and the stacks of all threads are shown.
TEST_TIMEOUT_S = 300


def main(wanted: list[str]) -> int:
    if unknown := set(wanted) - set(SUITES):
        print(f"No such suite: {', '.join(sorted(unknown))}. There are: {', '.join(SUITES)}.", file=sys.stderr)
        return 2
    results = [run(suite) for suite in SUITES if suite in (wanted or SUITES) and has_tests(suite)]
    print("\nSuite           seconds")
    for suite, seconds, passed in results:
        print(f"{suite:<14} {seconds:8.1f}  {'passed' if passed else 'FAILED'}")
    print(f"{'all':<14} {sum(seconds for _, seconds, _ in results):8.1f}")
    return 0 if all(passed for _, _, passed in results) else 1


def has_tests(suite: str) -> bool:
    return any((ROOT / "tests" / suite).rglob("test_*.py"))


def workers_for(suite: str) -> int:
    """Return how many processes run the files of a suite."""
    return min(os.cpu_count() or 1, AT_MOST[suite])


def run(suite: str) -> tuple[str, float, bool]:
    print(f"\n== {suite}", flush=True)
    command = [sys.executable, "-m", "pytest", f"tests/{suite}", "--quiet", f"--timeout={TEST_TIMEOUT_S}", *SLOWEST]
    if (workers := workers_for(suite)) > 1:
        # The order is that of tests/conftest.py.
        command += ["-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    begun = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    return suite, time.monotonic() - begun, code == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
