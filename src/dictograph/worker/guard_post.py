"""Looks every minute whether the places of stored files are still this database's own, swept or not."""

from __future__ import annotations

from collections.abc import Sequence

from dictograph.service.storage_guard import StorageGuard
from dictograph.worker.agent import every

_TURN_S = 60.0


class GuardPost:
    """Takes a turn a minute, or more often where files that nothing names are soon removed."""

    name = "guard of the storage"

    def __init__(self, guards: Sequence[StorageGuard], orphan_age: float) -> None:
        """`orphan_age` is the time after which they are, in seconds."""
        self._guards = guards
        self._interval = max(0.5, min(_TURN_S, orphan_age / 2))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Look at each place; what is wrong is said by its guard."""
        for guard in self._guards:
            await guard.check()
