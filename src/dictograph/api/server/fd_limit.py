"""The number of connections that the limit of open files allows. Everything else needs descriptors, too."""

from __future__ import annotations

import resource

#: More connections than this are of no use to one process.
_MOST = 8192

#: Descriptors that are kept for the database, the child processes and their files.
_KEPT = 128

#: Descriptors of one connection: it may have an open file as well, its upload.
_EACH = 2


def raise_fd_limit() -> int:
    """Raise the process's limit of open files as far as that is of use. Return the number of connections it allows.

    Without a limit on connections, a client that opens enough of them takes the last descriptor from the
    jobs that run.
    """
    wanted = _MOST * _EACH + _KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections_within(wanted if soft == resource.RLIM_INFINITY else soft)


def connections_within(files: int) -> int:
    """Return the number of connections for a process that may have `files` files open."""
    return max(16, min(_MOST, (files - _KEPT) // _EACH))
