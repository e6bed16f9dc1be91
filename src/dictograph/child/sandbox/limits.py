"""Resource limits (on every Unix), and which process the kernel kills first when memory runs out (on Linux)."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def limit(file_size: int, open_files: int, data: int) -> None:
    """Limit this process; see `Sandbox` for the figures.

    There is no core dump: it would hold a client's audio. There is no limit on processes, since RLIMIT_NPROC counts all
    processes and threads of a user, other programs' too. Seccomp refuses new processes and new threads.
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
    """Make the kernel kill this process, and not the service, when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _lower(kind: int, most: int) -> None:
    if sys.platform == "win32":
        return
    import resource

    # A limit that is already lower (an administrator's) stays.
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (wanted, wanted))
