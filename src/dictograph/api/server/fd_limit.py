"""How many connections there is room for. Beside them, descriptors are needed for everything else."""

from __future__ import annotations

import resource

#: More than this is no use to one process.
_MOST = 8192

#: Descriptors that the database, the children and what they work on get in any case.
_KEPT = 128

#: A connection may hold an open file as well: its upload.
_EACH = 2


def raise_fd_limit() -> int:
    """Raise the process's limit of open files as far as that is of use; returns how many connections it leaves.

    Without a limit on connections, whoever opens enough of them takes the last descriptor from the
    jobs that run.
    """
    wanted = _MOST * _EACH + _KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections_within(wanted if soft == resource.RLIM_INFINITY else soft)


def connections_within(files: int) -> int:
    """How many connections a process may have that may have so many files open."""
    return max(16, min(_MOST, (files - _KEPT) // _EACH))
