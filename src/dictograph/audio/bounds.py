"""What no honest recording goes beyond. Runs in the decoder child only.

A file of a few kilobytes can ask for hours of computing and gigabytes of memory: by a sample rate of
1 Hz, by one packet that fills the whole file, by a hundred thousand tags (FFmpeg looks through all of
them for each new one). These are the bounds; what lies beyond them is damage, or no audio at all.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from av import AudioFrame

from dictograph.child.loop import ChildError
from dictograph.errors import CorruptAudio

#: Samples per second: telephones have 8,000, the finest studios 384,000. Resampling from outside of
#: this takes gigabytes.
MIN_RATE, MAX_RATE = 1_000, 768_000

#: Bytes in one packet: a second of the finest sound has 12 MiB.
MAX_PACKET_BYTES = 2**26

#: Seconds in one frame: the longest that a codec writes has 65,535 samples.
MAX_FRAME_S = 600.0

#: Processor time for opening a file. It takes a hundredth of a second; with ten thousand tags one.
OPENING_CPU_S = 10.0

T = TypeVar("T")


def is_sound(frame: AudioFrame) -> bool:
    """Whether a frame is of a rate and a length that sound can have."""
    rate = frame.sample_rate
    return MIN_RATE <= rate <= MAX_RATE and frame.samples <= MAX_FRAME_S * rate


def within(cpu_seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns, unless it takes more than `cpu_seconds` of this process.

    Native code cannot be interrupted: it goes on in a thread until the process ends, which the
    caller should see to.

    Raises:
        ChildError: corrupt_audio, when it takes longer.
    """
    task = _Task(work)
    task.start()
    end = time.process_time() + cpu_seconds
    while task.is_alive():
        # No more than this can be used up by then, and on a busy machine it is less.
        task.join(max(0.01, end - time.process_time()))
        if task.is_alive() and time.process_time() >= end:
            text = f"It takes more than {cpu_seconds:.0f} s to open the file: it has more tags or parts than any audio."
            raise ChildError(CorruptAudio.code, text)
    return task.result()


class _Task(threading.Thread, Generic[T]):
    """Work in a thread of its own, which holds up no end of the process."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(daemon=True, name="opening")
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is wanted
            self._error = error

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]
