"""What no honest recording goes beyond."""

from __future__ import annotations

import threading
import time

import pytest
from av import AudioFrame

from dictograph.audio.bounds import is_sound, within
from dictograph.child.loop import ChildError
from dictograph.errors import CorruptAudio


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


def test_work_that_ends_in_time_gives_its_result_or_its_error() -> None:
    def fail() -> None:
        raise ChildError("unsupported_format", "no")

    assert within(10, lambda: 7) == 7
    with pytest.raises(ChildError, match="no"):
        within(10, fail)


def test_work_that_computes_too_long_is_left_alone() -> None:
    enough = threading.Event()

    def compute() -> None:
        while not enough.is_set():
            sum(range(1000))

    with pytest.raises(ChildError) as caught:
        within(0.1, compute)
    enough.set()
    assert caught.value.code == CorruptAudio.code


def test_waiting_is_not_computing() -> None:
    """A disk that is slow, or a machine with much else to do, is no fault of the file."""
    begun = time.process_time()
    assert within(0.3, lambda: threading.Event().wait(0.6)) is False
    assert time.process_time() - begun < 0.3
