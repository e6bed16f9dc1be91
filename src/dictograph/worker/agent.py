"""Define an agent: a small loop with a name. If an agent dies, its process logs that and stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from dictograph.errors import DatabaseUnavailable, StorageFull, StorageUnavailable
from dictograph.runtime.outage_log import OutageLog

log = logging.getLogger(__name__)

#: Errors that pass: an agent logs one and goes on with its next run. `OSError` is among them since any client can
#: cause one by opening enough connections: the process then has no more descriptors.
TRANSIENT_ERRORS = (DatabaseUnavailable, StorageFull, StorageUnavailable, OSError)


class Agent(Protocol):
    """A background loop. `run` ends only by being cancelled; if it ends otherwise, the agent has died."""

    name: str

    async def run(self) -> None: ...


class AgentGroup:
    """Runs agents together and reports when one of them has died."""

    def __init__(self, agents: Sequence[Agent]) -> None:
        self._agents = agents
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(agent.run(), name=agent.name) for agent in self._agents]

    async def died(self) -> BaseException:
        """Wait until an agent ends by itself, which none should; return its error.

        Cancelled when the group is stopped.
        """
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


async def every(seconds: float, work: Callable[[], Awaitable[None]], name: str) -> None:
    """Call `work` again and again, `seconds` apart. An error that passes (a busy database, a full disk) is logged."""
    outages = OutageLog(log, name)
    while True:
        try:
            await work()
            outages.recovered()
        except TRANSIENT_ERRORS as error:
            outages.failed(error)
        await asyncio.sleep(seconds)
