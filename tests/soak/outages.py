"""Servers that are killed while a run goes on, and started again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Mapping

from tests.combinations import Server

#: Seconds between two outages, and those for which a server is away, before its own start.
_PAUSE_S, _AWAY_S = (2.0, 5.0), (0.2, 3.0)


class Outages:
    """A thread that kills each server so many times, one at a time. `killed` counts them by name."""

    def __init__(self, servers: Mapping[str, Server], times: int, seed: int) -> None:
        self.killed = Counter[str]()
        self._servers = servers
        self._times = times
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def over(self) -> bool:
        """Whether every server was killed as often as planned, and is up. Raises what went wrong."""
        if self._failure is not None:
            raise self._failure
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin no other outage; the server that is away comes back."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(180)

    def _run(self) -> None:
        try:
            for _ in range(self._times):
                for name in self._chance.sample(list(self._servers), len(self._servers)):
                    if self._stopping.wait(self._chance.uniform(*_PAUSE_S)):
                        return
                    self._strike(name)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._failure = error

    def _strike(self, name: str) -> None:
        server = self._servers[name]
        server.kill()
        try:
            self._stopping.wait(self._chance.uniform(*_AWAY_S))
        finally:
            server.start()
        self.killed[name] += 1
