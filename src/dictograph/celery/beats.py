"""The heartbeat of a supervised Celery worker: a line a second through a pipe to the process that keeps it running.

A line names the messages that the worker holds. When it dies, its successor puts them back into the queue: nobody else
can tell whose they were, and each would be delivered again only after the visibility timeout.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dictograph.child.parent import PARENT

#: The variable with the descriptor of the pipe and the id of that process.
VARIABLE = "_DICTOGRAPH_CELERY_BEATS"

#: The variable with the messages that the predecessor held.
HELD = "_DICTOGRAPH_CELERY_HELD"

#: The longest line, in bytes: a pipe takes so many as one piece (pipe(7), PIPE_BUF).
_MOST_BYTES = 4000

#: Seconds from one beat to the next.
BEAT_S = 1.0

#: The exit code of a worker whose supervisor has gone.
_ORPHANED = 1


def is_supervised() -> bool:
    """Return whether this process was started by one that keeps it running."""
    return _descriptor() is not None


def end_if_orphaned() -> None:
    """End this process if the one that started it to keep it running has ended meanwhile: nobody would ever end it.

    Processes of the pool inherit the variables too, so this is asked only where a Celery worker begins.
    """
    keeper = os.environ.get(VARIABLE, "").partition(":")[2]
    if keeper and keeper == os.environ.get(PARENT) and not is_supervised():
        os._exit(_ORPHANED)


def beat(held: Iterable[str] = ()) -> None:
    """Say that this process hears its queue, and which messages it holds. If the supervisor has gone, it ends."""
    descriptor = _descriptor()
    if descriptor is None:
        os._exit(_ORPHANED)
    line = ",".join(held)[:_MOST_BYTES].encode()
    try:
        os.write(descriptor, line + b"\n")
    except BlockingIOError:
        return  # the supervisor is stopped or busy: it has enough of them
    except OSError:
        os._exit(_ORPHANED)


def held_before() -> list[str]:
    """Return the messages that this process's predecessor held when it was last heard of."""
    return [tag for tag in os.environ.pop(HELD, "").split(",") if tag]


def _descriptor() -> int | None:
    number, _, parent = os.environ.get(VARIABLE, "").partition(":")
    return int(number) if parent and int(parent) == os.getppid() else None
