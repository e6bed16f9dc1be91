"""The same question asked by many at once: answered once, for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class SingleFlight(Generic[Key, Answer]):
    """Asks a question for whoever comes first; those who come before the answer get the same one.

    The answer may be as old as the wait for it. It, or the error, is not kept.
    """

    def __init__(self, ask: Callable[[Key], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._asked: dict[Key, asyncio.Task[Answer]] = {}

    async def __call__(self, key: Key) -> Answer:
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._answer(key))
            task.add_done_callback(_look_at)
        # Whoever is cancelled takes the answer from nobody else.
        return await asyncio.shield(task)

    async def _answer(self, key: Key) -> Answer:
        try:
            return await self._ask(key)
        finally:
            del self._asked[key]


def _look_at(task: asyncio.Task[Answer]) -> None:
    # asyncio complains of an error that nobody heard: all who asked may be gone.
    if not task.cancelled():
        task.exception()
