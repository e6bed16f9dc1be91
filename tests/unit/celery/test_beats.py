"""A Celery worker whose supervisor is killed while it starts ends: else it went on, and nobody would end it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dictograph.celery.beats import VARIABLE
from dictograph.child.parent import PARENT

_ASK = "from dictograph.celery.app import app; print(app.Worker.__mro__[1].__module__)"


def asked(**variables: str) -> tuple[int, str]:
    """The exit code of a process that is about to be a Celery worker, and which kind it would be."""
    command = [sys.executable, "-c", _ASK]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


@pytest.fixture(scope="module")
def dead() -> str:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return str(process.pid)


def test_one_whose_supervisor_has_ended_ends(dead: str) -> None:
    assert asked(**{VARIABLE: f"1:{dead}", PARENT: dead}) == (1, "")


def test_one_whose_supervisor_lives_is_the_worker_itself() -> None:
    here = str(os.getpid())
    assert asked(**{VARIABLE: f"1:{here}", PARENT: here}) == (0, "dictograph.celery.worker")


def test_one_that_somebody_starts_inside_of_another_is_a_worker_of_its_own(dead: str) -> None:
    assert asked() == (0, "dictograph.celery.front")
    assert asked(**{VARIABLE: f"1:{dead}", PARENT: "1"}) == (0, "dictograph.celery.front")
