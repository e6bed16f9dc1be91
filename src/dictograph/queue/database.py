"""The embedded queue: the database itself. On PostgreSQL it wakes workers of other processes; on SQLite they poll."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from dictograph.store.database import Database


class DatabaseQueue:
    """Wakes the workers of this process, and is woken by the database when another process has work."""

    def __init__(self, database: Database) -> None:
        self._wake = asyncio.Event()
        database.on_wake(self._wake.set)

    def wake(self) -> None:
        """Wake the workers of this process. Called in the event loop."""
        self._wake.set()

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:  # noqa: ARG002 - any wake-up is the same
        self._wake.set()

    async def heard(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        self._wake.clear()

    async def close(self) -> None:
        self._wake.set()
