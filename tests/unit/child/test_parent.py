"""What is forked from a process ends with it, however early that is killed."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.service import eventually

_SCRIPT = """
import os, signal, time
from dictograph.child.parent import forks_end_with_parent
os.register_at_fork(after_in_child=lambda: time.sleep({late}))
forks_end_with_parent()
child = os.fork()
if child == 0:
    time.sleep(600)
time.sleep({early})
print(child, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def child_of_a_killed_process(*, late: float, early: float) -> int:
    """Return the id of a process that was busy for `late` seconds when it began, and whose parent was killed after
    `early` seconds."""
    script = _SCRIPT.format(late=late, early=early)
    done = subprocess.run(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=120,
        check=False,
    )
    return int(done.stdout)


def test_one_that_runs_ends() -> None:
    child = child_of_a_killed_process(late=0, early=1)
    eventually(lambda: not psutil.pid_exists(child), what="it goes on without its parent")


def test_one_that_had_not_begun_ends() -> None:
    child = child_of_a_killed_process(late=2, early=0)
    eventually(lambda: not psutil.pid_exists(child), what="it goes on without its parent")
