"""The dispatcher of one engine: it takes batches from the queue and has the engine's process transcribe them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from dictograph.child.memory_budget import Demand, MemoryBudget, NoLongerWanted, Resident, in_steps
from dictograph.child.sandbox.policy import Mode
from dictograph.engine.client import EngineChild
from dictograph.engine.footprint import footprint
from dictograph.engine.protocol import Capabilities, EngineSpec, Window, WindowOptions, WindowResult
from dictograph.engine.sizing import engine_memory, models_memory
from dictograph.errors import (
    DictographError,
    EngineCrashed,
    EngineFailed,
    EngineOutOfMemory,
    EngineTimeout,
)
from dictograph.worker.batching.batch import BatchLimit, read_windows, settle
from dictograph.worker.batching.batch_queue import BatchQueue
from dictograph.worker.batching.job_queue import Batch, JobQueue

log = logging.getLogger(__name__)

#: How many times the measured time a batch may take before it counts as hung, and the speed that is assumed
#: of an engine that was never measured, in seconds of work for a second of audio.
_PATIENCE = 20.0
_UNMEASURED = 2.0

#: How long a batch waits for windows that are about to come: a commit or two, in seconds.
_GATHER_S = 0.05

#: How long a batch may go on for its other jobs once one of its jobs was cancelled, in seconds.
_CANCEL_GRACE = 4.0

_FATAL = (EngineCrashed, EngineTimeout, EngineOutOfMemory, EngineFailed)

Answers = Sequence[WindowResult | dict[str, float]]
#: Has an engine transcribe a sample; returns the length of the sample in seconds.
Proof = Callable[[EngineChild], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """The limits of an engine's child process.

    `memory` is in bytes (0: three quarters of the machine's memory), times are in seconds; `confined`: whether the
    process is confined.
    """

    memory: int = 0
    least_timeout: float = 120.0
    load_timeout: float = 600.0
    idle: float = 900.0
    confined: Mode = "auto"

    @property
    def memory_bytes(self) -> int:
        return engine_memory(self.memory)


class _Preempted(Exception):
    """A new job goes before the batch that is being prepared."""


class EngineDispatcher:
    """Runs one engine for all jobs. The child is started when it is needed; its memory counts against `budget`."""

    def __init__(
        self, spec: EngineSpec, limits: EngineLimits, proof: Proof | None = None, budget: MemoryBudget | None = None
    ) -> None:
        self.spec = spec
        self.queue = BatchQueue()
        self._limits = limits
        self._proof = proof
        self._child: EngineChild | None = None
        self._loading = asyncio.Lock()
        self._budget = budget or MemoryBudget(models_memory())
        self._resident = Resident(_name_of(spec), self._is_wanted)
        self._asking = 0
        self._batch_limit = BatchLimit(spec.batch_size)
        self._had_whole_batch = False
        self._speed: float | None = None
        self._guess = _UNMEASURED
        self._abandoned = asyncio.Event()
        self.trouble: str | None = None  # why the engine could not be loaded the last time

    @property
    def loaded(self) -> bool:
        return self._child is not None and self._child.alive

    def describe(self) -> dict[str, Any]:
        """Describe the engine and the state of its process."""
        child = self._child if self.loaded else None
        return {
            "engine": self.spec.name,
            "model": self.spec.model,
            "state": self._state(),
            "pid": child.pid if child else None,
            "memory": in_steps(self._resident.held),
            "reason": self.trouble,
        }

    def _state(self) -> str:
        if self._budget.waits(self._resident):
            return "waiting for memory"
        return "loaded" if self.loaded else "not loaded"

    async def capabilities(self) -> Capabilities:
        """Return what the engine can do; load it if need be."""
        self._asking += 1
        try:
            return (await self._loaded_child()).capabilities
        finally:
            self._asking -= 1
            self._budget.reconsider()

    def measure(self) -> None:
        """Report the measured memory of the engine's process to the budget."""
        if self._child is not None and self.loaded:
            self._budget.measured(self._resident, self._child.peak_memory, whole=self._had_whole_batch)

    def _is_wanted(self) -> bool:
        return bool(self._asking) or not self.queue.idle

    def close_job(self, job_queue: JobQueue) -> None:
        """Remove a job that has ended or was cancelled; a batch that still works for it has a few seconds left."""
        self.queue.close(job_queue)
        self._abandoned.set()
        self._budget.worked(self._resident)
        self._budget.reconsider()

    async def run(self) -> None:
        """Run batch after batch until cancelled; then end the child."""
        try:
            while True:
                if await self._wait_for_work():
                    await self._run_next()
        finally:
            await self._unload()

    async def _wait_for_work(self) -> bool:
        """Wait for work; return False when the engine was unloaded instead.

        It is unloaded when there was no work for long, or when another engine waits for its memory.
        """
        try:
            async with asyncio.timeout(self._limits.idle or None):
                await _first_of(self.queue.something(), self._resident.asked.wait())
        except TimeoutError:
            if self.queue.idle:
                await self._free_memory()
                self._batch_limit.forget()
            return False
        if self._resident.asked.is_set():
            log.info("engine %s %s makes room for another", self.spec.name, self.spec.model)
            await self._free_memory()
            return False
        return True

    async def _run_next(self) -> None:
        try:
            child = await self._loaded_child()
        except NoLongerWanted:
            return
        except DictographError as error:
            self.queue.fail(error)
            return
        try:
            await self._run_batch(child)
        finally:
            self._note_work()

    async def _run_batch(self, child: EngineChild) -> None:
        # The first batch is one window: it measures the speed from which later deadlines follow.
        most = self._batch_limit.most(child.capabilities) if self._speed is not None else 1
        await self.queue.gather(most, _GATHER_S)
        batch = self.queue.take(most, child.capabilities.prefetch_batch)
        windows = await read_windows(batch)
        if windows:
            await self._transcribe(child, batch, windows)
            self._had_whole_batch |= len(windows) >= self._batch_limit.most(child.capabilities)

    def _note_work(self) -> None:
        if not self.loaded:
            self._budget.release(self._resident)
            return
        self._budget.worked(self._resident)
        self.measure()

    async def _transcribe(self, child: EngineChild, batch: Batch, windows: list[Window]) -> None:
        try:
            results = await self._finish_or_abandon(child, batch, windows)
        except _Preempted:
            self.queue.preempt(batch)
        except _FATAL as error:
            self._retry_or_fail(batch, error)
        except DictographError as error:
            for _, request in batch:
                settle(request, error)
        else:
            self.queue.done(batch)
            for (_, request), result in zip(batch, results, strict=True):
                settle(request, result)

    def _retry_or_fail(self, batch: Batch, error: DictographError) -> None:
        """Return the windows of a failed batch to the queue; fail a window that was alone in its batch.

        A batch that took too much memory is tried again in halves, any other one window by window.
        """
        outgrown = isinstance(error, EngineOutOfMemory)
        if len(batch) == 1:
            if outgrown:
                self._batch_limit.forget()  # the window itself is too large, not the batch
            settle(batch[0][1], error)
            return
        if outgrown:
            self._batch_limit.too_many(len(batch), error)
        else:
            log.warning("a batch of %d windows failed (%s); each is tried alone", len(batch), error)
        self.queue.put_back(batch, alone=not outgrown)

    async def _finish_or_abandon(self, child: EngineChild, batch: Batch, windows: list[Window]) -> Answers:
        seconds = sum(request.seconds for _, request in batch)
        work: asyncio.Task[Answers] = asyncio.create_task(self._ask(child, batch, windows, seconds))
        abandoned = asyncio.create_task(self._until_abandoned(batch))
        try:
            await asyncio.wait({work, abandoned}, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else await self._interrupt(child, work, batch)
        finally:
            abandoned.cancel()
            if not work.done():
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError, DictographError, _Preempted):
                    await work

    async def _until_abandoned(self, batch: Batch) -> None:
        while not any(job_queue.closed for job_queue, _ in batch):
            self._abandoned.clear()
            await self._abandoned.wait()

    async def _interrupt(self, child: EngineChild, work: asyncio.Task[Answers], batch: Batch) -> Answers:
        await asyncio.wait({work}, timeout=_CANCEL_GRACE)
        if work.done():
            return work.result()
        log.info("a cancelled job's batch still runs: its engine is restarted")
        await child.kill()
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError, DictographError):
            await work
        self.queue.put_back([(job, request) for job, request in batch if not job.closed], alone=False)
        batch.clear()
        return []

    async def _ask(self, child: EngineChild, batch: Batch, windows: list[Window], seconds: float) -> Answers:
        began = time.monotonic()
        timeout, what = self._deadline(seconds), batch[0][1].what
        answers: Answers
        if isinstance(what, WindowOptions):
            await self._prepare(child, batch, windows, timeout)
            answers = await child.transcribe(windows, what, timeout)
            self._measure((time.monotonic() - began) / max(seconds, 1.0))
        else:
            answers = await child.detect(windows, timeout)
        return answers

    async def _prepare(self, child: EngineChild, batch: Batch, windows: list[Window], timeout: float) -> None:
        """Have the windows of a batch encoded, a few at a time.

        A new job then waits neither for the rest of the windows nor for their decoding.

        Raises _Preempted when a new job has come that goes first.
        """
        some = child.capabilities.prefetch_batch
        if not some or not self.queue.preemptible:
            return
        waiting = list(batch)
        for first in range(0, len(windows), some):
            await child.prepare(windows[first : first + some], timeout)
            if self.queue.new_job_before(waiting):
                raise _Preempted

    async def _prove(self, child: EngineChild, proof: Proof) -> None:
        """Have the engine transcribe a sample, and guess its speed from that.

        The guess is too slow, since a short sample may cost as much as a long one. It gives the first batch its
        deadline; that batch, of one window, then measures the speed.
        """
        began = time.monotonic()
        seconds = await proof(child)
        if seconds > 0:
            self._guess = (time.monotonic() - began) / seconds

    def _deadline(self, seconds: float) -> float:
        speed = self._guess if self._speed is None else self._speed
        return max(self._limits.least_timeout, _PATIENCE * speed * seconds)

    def _measure(self, speed: float) -> None:
        self._speed = speed if self._speed is None else 0.7 * self._speed + 0.3 * speed

    async def _loaded_child(self) -> EngineChild:
        async with self._loading:
            if self._child is None or not self._child.alive:
                await self._unload()
                try:
                    self._child = await self._load_within_budget()
                except DictographError as error:
                    self.trouble = error.message
                    raise
                self.trouble = None
            return self._child

    async def _load_within_budget(self) -> EngineChild:
        demand = await asyncio.to_thread(footprint, self.spec)
        if seen := self._resident.measured:
            demand = Demand(demand.least, seen if self._had_whole_batch else max(seen, demand.likely))
        try:
            await self._budget.acquire(self._resident, demand)
            child = await self._load()
        except BaseException:
            self._budget.release(self._resident)
            raise
        self._budget.loaded(self._resident)
        return child

    async def _load(self) -> EngineChild:
        began = time.monotonic()
        limits = self._limits
        memory = min(limits.memory_bytes, self._budget.total)
        child = await EngineChild.start(self.spec, memory, limits.load_timeout, confined=limits.confined)
        log.info(
            "engine %s %s loaded in %.1f s (process %d)",
            self.spec.name, self.spec.model, time.monotonic() - began, child.pid,
        )  # fmt: skip
        if self._proof is not None:
            try:
                await self._prove(child, self._proof)
            except BaseException:
                await child.kill()
                raise
        return child

    async def _free_memory(self) -> None:
        async with self._loading:  # a job that has just come may have loaded it by now
            await self._unload()

    async def _unload(self) -> None:
        child, self._child = self._child, None
        try:
            if child is not None:
                await self._end(child)
        finally:
            self._budget.release(self._resident)

    async def _end(self, child: EngineChild) -> None:
        if child.alive:
            log.info("engine %s %s unloaded", self.spec.name, self.spec.model)
        try:
            await child.close()
        finally:
            if child.alive:  # the service ends while the child had a moment to end by itself
                await child.kill()


def _name_of(spec: EngineSpec) -> str:
    return f"engine {spec.name}" + (f" with the model {spec.model}" if spec.model else "")


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of the coroutines is done; cancel the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
