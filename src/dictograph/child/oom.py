"""Whether the kernel killed processes because memory ran out, on the machine or in a container."""

from __future__ import annotations

from pathlib import Path

_COUNTERS = Path("/proc/vmstat")


def ended_for_memory() -> int:
    """Return how many processes the kernel has killed for their memory since it started; 0 where it does not report it.

    The kernel counts before it kills (`oom_kill` of proc_vmstat(5), Linux 4.13). A process that ended by SIGKILL while
    this number grew counts as one of them.
    """
    try:
        lines = _COUNTERS.read_text().splitlines()
    except OSError:
        return 0
    return next((int(count) for name, _, count in (line.partition(" ") for line in lines) if name == "oom_kill"), 0)
