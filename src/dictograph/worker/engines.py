"""The engines of a worker: one desk for each, one child behind each desk."""

from __future__ import annotations

import asyncio
from typing import Any

from dictograph.child.memory_budget import MemoryBudget
from dictograph.engine.protocol import EngineSpec
from dictograph.engine.sizing import models_memory
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher, EngineLimits, Proof

#: How often it is looked what the processes take (s).
_MEASURE_S = 1.0


class Engines:
    """All desks of a worker, made on demand; each is run by a task of its own. Their memory comes from one `budget`."""

    def __init__(self, limits: EngineLimits, proof: Proof | None = None, budget: MemoryBudget | None = None) -> None:
        self.budget = budget or MemoryBudget(models_memory())
        self._limits = limits
        self._proof = proof
        self._desks: dict[EngineSpec, tuple[EngineDispatcher, asyncio.Task[None]]] = {}
        self._died: asyncio.Future[None] | None = None

    def dispatcher(self, spec: EngineSpec) -> EngineDispatcher:
        if spec not in self._desks:
            dispatcher = EngineDispatcher(spec, self._limits, self._proof, self.budget)
            task = asyncio.create_task(dispatcher.run(), name=f"engine {spec.name}")
            task.add_done_callback(self._note_end)
            self._desks[spec] = (dispatcher, task)
        return self._desks[spec][0]

    def describe(self) -> list[dict[str, Any]]:
        """Each engine there is: whether its model is loaded, the id of its process, why it could not be loaded."""
        return [dispatcher.describe() for dispatcher, _ in self._desks.values()]

    async def run(self) -> None:
        """Measure what the engines take, until a desk dies, which none should: then say so."""
        self._died = asyncio.get_running_loop().create_future()
        while not self._died.done():
            for dispatcher, _ in self._desks.values():
                dispatcher.measure()
            await asyncio.wait({self._died}, timeout=_MEASURE_S)
        self._died.result()

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
