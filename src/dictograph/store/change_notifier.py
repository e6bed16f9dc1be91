"""Who is told in the event loop of what the database's threads hear."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from dictograph.store.changes import ChangeSet

#: The jobs whose log has grown, or which are gone; None: it may be any.
Jobs = frozenset[str] | None


class ChangeNotifier:
    """Calls what was asked for, in the event loop that uses the database. The methods may be called from any thread."""

    def __init__(self) -> None:
        self.on_messages: list[Callable[[], None]] = []
        self.on_webhooks: list[Callable[[], None]] = []
        self.on_jobs: list[Callable[[Jobs], None]] = []
        self.on_wake: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def use_this_loop(self) -> None:
        """The loop that runs here is the one to call in."""
        self._loop = asyncio.get_running_loop()

    def committed(self, news: ChangeSet) -> None:
        """This process has committed, and this is what it has to tell."""
        messages = self.on_messages if news.messages else ()
        webhooks = self.on_webhooks if news.webhooks else ()
        jobs = self._about(frozenset(news.jobs)) if news.jobs else ()
        self._ring([*messages, *webhooks, *jobs])

    def news(self, jobs: Jobs) -> None:
        """Another process has committed."""
        self._ring(self._about(jobs))

    def work(self) -> None:
        """Another process has made a job claimable, or may have."""
        self._ring(self.on_wake)

    def _about(self, jobs: Jobs) -> list[Callable[[], None]]:
        return [partial(call, jobs) for call in self.on_jobs]

    def _ring(self, calls: list[Callable[[], None]]) -> None:
        if self._loop is not None and calls:
            with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is left to be told
                self._loop.call_soon_threadsafe(_call_all, list(calls))


def _call_all(calls: list[Callable[[], None]]) -> None:
    for call in calls:
        call()
