"""The engines of a worker: one desk for each, one child behind each desk."""

from __future__ import annotations

import asyncio
from typing import Any

from dictograph.engine.protocol import EngineSpec
from dictograph.worker.desk import Desk, EngineLimits, Proof


class Engines:
    """All desks of a worker, made on demand; each is run by a task of its own."""

    def __init__(self, limits: EngineLimits, proof: Proof | None = None) -> None:
        self._limits = limits
        self._proof = proof
        self._desks: dict[EngineSpec, tuple[Desk, asyncio.Task[None]]] = {}
        self._died: asyncio.Future[None] | None = None

    def desk(self, spec: EngineSpec) -> Desk:
        if spec not in self._desks:
            desk = Desk(spec, self._limits, self._proof)
            task = asyncio.create_task(desk.run(), name=f"engine {spec.name}")
            task.add_done_callback(self._note_end)
            self._desks[spec] = (desk, task)
        return self._desks[spec][0]

    def describe(self) -> list[dict[str, Any]]:
        """Each engine there is: whether its model is loaded, the id of its process, why it could not be loaded."""
        return [desk.describe() for desk, _ in self._desks.values()]

    async def run(self) -> None:
        """Wait until a desk dies, which none should: then say so."""
        self._died = asyncio.get_running_loop().create_future()
        await self._died

    async def close(self) -> None:
        """End all children."""
        tasks = [task for _, task in self._desks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._desks.clear()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._died is not None and not self._died.done():
            self._died.set_exception(error)
