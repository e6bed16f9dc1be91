"""Turns at reading: clients whose bytes take long to read wait for each other. No other client waits for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class ReadTurns:
    """Gives every connection that still has bytes to read one step, in order; one step in each round of the event loop.

    So a round takes no longer than one step, however many connections have something to read.
    """

    def __init__(self) -> None:
        self._steps: deque[Callable[[], None]] = deque()

    def ask(self, step: Callable[[], None]) -> None:
        """Call `step` when its turn has come. It reads a little, and asks again if bytes are left."""
        self._steps.append(step)
        if len(self._steps) == 1:
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        step = self._steps[0]
        try:
            step()
        finally:
            self._steps.popleft()
            if self._steps:
                asyncio.get_running_loop().call_soon(self._next)
