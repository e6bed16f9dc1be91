"""Callbacks in the event loop for changes that the database's threads see."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from dictograph.store.changes import ChangeSet

#: The jobs whose event log has grown, or which were removed; None means any job.
Jobs = frozenset[str] | None


class ChangeNotifier:
    """Runs the registered callbacks in the event loop that uses the database. Its methods are thread-safe."""

    def __init__(self) -> None:
        self.on_messages: list[Callable[[], None]] = []
        self.on_webhooks: list[Callable[[], None]] = []
        self.on_jobs: list[Callable[[Jobs], None]] = []
        self.on_wake: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def use_this_loop(self) -> None:
        """Use the running event loop for the callbacks."""
        self._loop = asyncio.get_running_loop()

    def committed(self, made: ChangeSet) -> None:
        """Call back for a commit of this process."""
        messages = self.on_messages if made.messages else ()
        webhooks = self.on_webhooks if made.webhooks else ()
        jobs = self._about(frozenset(made.jobs)) if made.jobs else ()
        self._schedule([*messages, *webhooks, *jobs])

    def jobs_changed(self, jobs: Jobs) -> None:
        """Call back for a commit of another process."""
        self._schedule(self._about(jobs))

    def work_available(self) -> None:
        """Call back because another process has made a job claimable, or may have."""
        self._schedule(self.on_wake)

    def _about(self, jobs: Jobs) -> list[Callable[[], None]]:
        return [partial(call, jobs) for call in self.on_jobs]

    def _schedule(self, calls: list[Callable[[], None]]) -> None:
        if self._loop is not None and calls:
            with contextlib.suppress(RuntimeError):  # the loop was closed: there is nothing left to call
                self._loop.call_soon_threadsafe(_call_all, list(calls))


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
