"""The Celery worker beside a process that runs jobs: it answers for them, and runs none."""

from __future__ import annotations

import asyncio

from dictograph.celery.processes import celery_worker, command_beside
from dictograph.child.kept import KeptProcess
from dictograph.parts.resources import Resources
from dictograph.worker.agent import Agent

#: How much of the process's id is part of the Celery worker's name.
_NAME_LENGTH = 8


def celery_agents(resources: Resources) -> list[Agent]:
    """Return the agent that keeps a Celery worker running."""
    node = f"dictograph-{resources.process_lock.id[:_NAME_LENGTH]}"
    kept = celery_worker(resources.settings, command_beside(resources.settings, node), own_logs=True)
    return [_CeleryWorker(kept, resources.stopping)]


class _CeleryWorker:
    """Keeps the Celery worker running, and ends it as soon as the process stops: its jobs may need the whole grace."""

    def __init__(self, kept: KeptProcess, stopping: asyncio.Event) -> None:
        self.name = kept.name
        self._kept = kept
        self._stopping = stopping

    async def run(self) -> None:
        running = asyncio.create_task(self._kept.run(), name=self.name)
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self._kept.stop()
            await running  # an error of it is an error of this agent
            await asyncio.Event().wait()
        finally:
            stopping.cancel()
            running.cancel()
            await asyncio.gather(running, stopping, return_exceptions=True)
