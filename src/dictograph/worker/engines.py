"""The engines of a worker: one dispatcher and one child process for each."""

from __future__ import annotations

import asyncio
from typing import Any

from dictograph.child.memory_budget import MemoryBudget
from dictograph.engine.protocol import EngineSpec
from dictograph.engine.sizing import models_memory
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher, EngineLimits, Proof

#: How often the memory of the processes is measured (s).
_MEASURE_S = 1.0


class Engines:
    """The dispatchers of a worker, made on demand; a task runs each of them. They share the memory of one `budget`."""

    def __init__(self, limits: EngineLimits, proof: Proof | None = None, budget: MemoryBudget | None = None) -> None:
        self.budget = budget or MemoryBudget(models_memory())
        self._limits = limits
        self._proof = proof
        self._dispatchers: dict[EngineSpec, tuple[EngineDispatcher, asyncio.Task[None]]] = {}
        self._died: asyncio.Future[None] | None = None

    def dispatcher(self, spec: EngineSpec) -> EngineDispatcher:
        """Return the dispatcher of an engine; make it if there is none."""
        if spec not in self._dispatchers:
            dispatcher = EngineDispatcher(spec, self._limits, self._proof, self.budget)
            task = asyncio.create_task(dispatcher.run(), name=f"engine {spec.name}")
            task.add_done_callback(self._note_end)
            self._dispatchers[spec] = (dispatcher, task)
        return self._dispatchers[spec][0]

    def describe(self) -> list[dict[str, Any]]:
        """Describe each engine: whether its model is loaded, the id of its process, why it could not be loaded."""
        return [dispatcher.describe() for dispatcher, _ in self._dispatchers.values()]

    async def run(self) -> None:
        """Measure the memory of the engines until a dispatcher dies, which none should; then raise its error."""
        self._died = asyncio.get_running_loop().create_future()
        while not self._died.done():
            for dispatcher, _ in self._dispatchers.values():
                dispatcher.measure()
            await asyncio.wait({self._died}, timeout=_MEASURE_S)
        self._died.result()

    async def close(self) -> None:
        """End all children."""
        tasks = [task for _, task in self._dispatchers.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dispatchers.clear()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._died is not None and not self._died.done():
            self._died.set_exception(error)
