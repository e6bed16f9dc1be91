"""Equal calls at the same time: run once, with one result for all callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class SingleFlight(Generic[Key, Answer]):
    """Runs the call for the first caller; callers that come before its end get the same result.

    The result may be as old as the call took. Neither the result nor the error is kept.
    """

    def __init__(self, ask: Callable[[Key], Awaitable[Answer]]) -> None:
        self._ask = ask
        self._asked: dict[Key, asyncio.Task[Answer]] = {}

    async def __call__(self, key: Key) -> Answer:
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._answer(key))
            task.add_done_callback(_retrieve_error)
        # The cancellation of one caller does not cancel the call for the others.
        return await asyncio.shield(task)

    async def _answer(self, key: Key) -> Answer:
        try:
            return await self._ask(key)
        finally:
            del self._asked[key]


def _retrieve_error(task: asyncio.Task[Answer]) -> None:
    # Retrieve the error, else asyncio logs it: all callers may have been cancelled.
    if not task.cancelled():
        task.exception()
