"""Resource limits (on every Unix), and who goes first when the machine runs out of memory (on Linux)."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def limit(file_size: int, open_files: int, data: int) -> None:
    """Limit this process; see `Sandbox` for the figures.

    No core dump: it would hold somebody's audio. There is no limit on processes, since RLIMIT_NPROC counts all
    processes and threads of a user, whoever else runs something as that user; new processes and new threads are
    refused by seccomp.
    """
    if sys.platform == "win32":
        return
    import resource

    _lower(resource.RLIMIT_CORE, 0)
    for kind, most in (
        (resource.RLIMIT_FSIZE, file_size),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_DATA, data),
    ):
        if most:
            _lower(kind, most)


def go_first() -> None:
    """If the kernel has to end a process for its memory, then this one and not the service."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(kind: int, most: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    # A limit that is lower already (an administrator's) stays.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (wanted, wanted))
