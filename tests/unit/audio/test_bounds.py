"""What no honest recording goes beyond."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from av import AudioFrame

from dictograph.audio.bounds import is_sound, within


@pytest.mark.parametrize(
    ("rate", "samples", "sound"),
    [
        (8_000, 160, True),
        (1_000, 65_535, True),
        (999, 160, False),
        (1, 65_535, False),
        (768_000, 65_535, True),
        (768_001, 65_535, False),
        (8_000, 600 * 8_000, True),
        (8_000, 600 * 8_000 + 1, False),
    ],
)
def test_the_rate_and_the_length_of_a_frame(rate: int, samples: int, sound: bool) -> None:
    frame = AudioFrame(format="u8", layout="mono", samples=samples)
    frame.sample_rate = rate
    assert is_sound(frame) is sound


def test_what_ends_in_time_or_fails_is_not_counted_any_more() -> None:
    with pytest.raises(ValueError, match="no"), within(10):
        raise ValueError("no")
    with within(10):
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 0
    assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)


@pytest.mark.parametrize(
    ("work", "code"), [("while True: pass", -signal.SIGPROF), ("time.sleep(0.5)", 0)], ids=["computes", "waits"]
)
def test_who_computes_too_long_is_ended_and_waiting_is_not_computing(work: str, code: int) -> None:
    """A disk that is slow, or a machine with much else to do, is no fault of the file."""
    program = f"import time\nfrom dictograph.audio.bounds import within\nwith within(0.2):\n    {work}"
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == code
