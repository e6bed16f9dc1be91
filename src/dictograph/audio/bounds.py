"""The bounds that no real recording exceeds. Runs in the decoder child only.

A file of a few kilobytes can ask for hours of computing and gigabytes of memory: by a sample rate of
1 Hz, by one packet that fills the whole file, by a hundred thousand tags (FFmpeg searches all of
them for each new one). A file beyond these bounds is damaged, or no audio at all.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

from av import AudioFrame

#: Samples per second: telephones have 8,000, the finest studios 384,000. Resampling from outside of
#: this takes gigabytes.
MIN_RATE, MAX_RATE = 1_000, 768_000

#: Bytes in one packet: a second of the finest sound has 12 MiB.
MAX_PACKET_BYTES = 2**26

#: Seconds in one frame: the longest that a codec writes has 65,535 samples.
MAX_FRAME_S = 600.0

#: Processor time for opening a file. It takes a hundredth of a second; with ten thousand tags one.
OPENING_CPU_S = 10.0


def is_sound(frame: AudioFrame) -> bool:
    """Return whether a frame has a rate and a length that sound can have."""
    rate = frame.sample_rate
    return MIN_RATE <= rate <= MAX_RATE and frame.samples <= MAX_FRAME_S * rate


@contextlib.contextmanager
def within(cpu_seconds: float) -> Iterator[None]:
    """End this process by SIGPROF if the code inside takes more than `cpu_seconds` of processor time.

    Native code cannot be interrupted, and there is no other thread that could report it (see `seccomp`). So the
    kernel counts, and the parent knows the meaning of the signal.
    """
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
