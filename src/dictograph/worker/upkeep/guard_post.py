"""Check every minute whether the places of stored files still belong to this database, also between sweeps."""

from __future__ import annotations

from collections.abc import Sequence

from dictograph.service.storage_guard import StorageGuard
from dictograph.worker.agent import every

_INTERVAL_S = 60.0


class GuardPost:
    """Checks every minute, or more often when files without a row are removed soon."""

    name = "storage guard"

    def __init__(self, guards: Sequence[StorageGuard], orphan_age: float) -> None:
        """`orphan_age` is the age at which such files are removed, in seconds."""
        self._guards = guards
        self._interval = max(0.5, min(_INTERVAL_S, orphan_age / 2))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Check each place; its guard logs a problem."""
        for guard in self._guards:
            await guard.check()
