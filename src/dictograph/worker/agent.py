"""What an agent is: a small loop with a name. If one dies, its process says so and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from dictograph.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from dictograph.runtime.outage_log import OutageLog

log = logging.getLogger(__name__)

#: What passes: an agent says it and goes on at its next turn. Among the errors of the system are those that
#: anybody can bring about by opening enough connections: there are no more descriptors.
TRANSIENT_ERRORS = (DatabaseUnavailable, StorageFull, StorageUnavailable, OSError)


class Agent(Protocol):
    """A background loop. `run` only returns when it is cancelled; anything else is its death."""

    name: str

    async def run(self) -> None: ...


class AgentGroup:
    """Runs agents together and tells when one of them has died."""

    def __init__(self, agents: Sequence[Agent]) -> None:
        self._agents = agents
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(agent.run(), name=agent.name) for agent in self._agents]

    async def died(self) -> BaseException:
        """Wait until an agent ends by itself, which none should; returns why. Cancelled when the crew is stopped."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        if task.cancelled():
            raise asyncio.CancelledError
        error = task.exception()
        log.critical("the %s has died: %s", task.get_name(), error, exc_info=error)
        return error or RuntimeError(f"the {task.get_name()} has ended")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def every(seconds: float, turn: Callable[[], Awaitable[None]], name: str) -> None:
    """Take a turn again and again. What passes (a busy database, a full disk) is said, not died of."""
    trouble = OutageLog(log, name)
    while True:
        try:
            await turn()
            trouble.recovered()
        except TRANSIENT_ERRORS as error:
            trouble.failed(error)
        await asyncio.sleep(seconds)
