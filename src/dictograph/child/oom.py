"""Whether the kernel ended processes for want of memory, on the machine or in a container."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/vmstat")


def ended_for_memory() -> int:
    """How many processes the kernel has ended for their memory since it started; 0 where it does not tell.

    It is counted before the process is ended (`oom_kill` of proc_vmstat(5), Linux 4.13). A process that was ended by
    SIGKILL while this grew is taken for one of them.
    """
    try:
        lines = _COUNTERS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(count) for name, _, count in (line.partition(" ") for line in lines) if name == "oom_kill"), 0)
