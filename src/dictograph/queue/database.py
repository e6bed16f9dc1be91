"""The embedded queue: the database itself. It wakes workers of other processes where it can (PostgreSQL); on SQLite
they look by themselves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from dictograph.store.database import Database


class DatabaseQueue:
    """Wakes the workers of this process, and is woken by the database when another process has work."""

    def __init__(self, database: Database) -> None:
        self._bell = asyncio.Event()
        database.on_wake(self._bell.set)

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:  # noqa: ARG002 - any wake-up is the same
        self._bell.set()

    async def heard(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._bell.wait()
        self._bell.clear()

    async def close(self) -> None:
        self._bell.set()
