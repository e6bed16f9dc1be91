"""A crash point kills where it is armed, and only there."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from dictograph.errors import SettingsError
from dictograph.runtime.crash import CrashPoints, Point

PASSES = """
import sys
from dictograph.runtime.crash import CrashPoints, Point
points = CrashPoints(sys.argv[1])
for _ in range(3):
    for point in Point:
        points.reach(point)
        print(point, flush=True)
"""


def passed(armed: str) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, "-c", PASSES, armed], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.split()


def test_unarmed_nothing_happens() -> None:
    code, points = passed("")
    assert (code, len(points)) == (0, 3 * len(Point))


def test_an_armed_point_kills_like_a_power_cut() -> None:
    code, points = passed("window.committed")
    assert code == -signal.SIGKILL
    assert points == [p.value for p in Point][: list(Point).index(Point.WINDOW_COMMITTED)]


def test_the_third_time_can_be_meant() -> None:
    code, points = passed("upload.stored:3")
    assert (code, len(points)) == (-signal.SIGKILL, 2 * len(Point) + list(Point).index(Point.UPLOAD_STORED))


@pytest.mark.parametrize("wrong", ["no.such", "window.committed:x", "window.committed:-1"])
def test_what_names_no_point_is_refused(wrong: str) -> None:
    with pytest.raises(SettingsError, match="DICTOGRAPH_CRASH_AT"):
        CrashPoints(wrong)
