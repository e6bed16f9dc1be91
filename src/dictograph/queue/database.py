"""The embedded queue: the database itself. Workers of this process are woken, others poll."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any


class DatabaseQueue:
    """Wakes the workers of this process."""

    def __init__(self) -> None:
        self._bell = asyncio.Event()

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:  # noqa: ARG002 - any wake-up is the same
        self._bell.set()

    async def heard(self, timeout: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._bell.wait()
        self._bell.clear()

    async def close(self) -> None:
        self._bell.set()
