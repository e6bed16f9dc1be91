"""Tells all waiting tasks of a Celery worker that it stops: a pipe from its main process to those of the pool."""

from __future__ import annotations

import contextlib
import os
import select


class StopLine:
    """A pipe that is silent until the worker stops, or has ended. The processes of the pool inherit it."""

    def __init__(self) -> None:
        self._reads, self._writes = os.pipe()

    def stop(self) -> None:
        """Tell everybody. The byte stays in the pipe, so that each process finds it. May be called again."""
        with contextlib.suppress(OSError):
            os.write(self._writes, b".")

    def only_listen(self) -> None:
        """Close the sending end, in a process of the pool: the main process's end is then heard."""
        with contextlib.suppress(OSError):
            os.close(self._writes)

    def wait(self, seconds: float) -> bool:
        """Wait at most so many seconds; return whether the worker stops."""
        poll = select.poll()
        poll.register(self._reads, select.POLLIN)
        return bool(poll.poll(max(seconds, 0.0) * 1000))
