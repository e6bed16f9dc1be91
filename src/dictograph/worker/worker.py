"""A worker: its agents together, started and stopped as one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dictograph.job import KNOWN_NEEDS
from dictograph.models.catalog import Catalog
from dictograph.queue import Queue
from dictograph.runtime.private_files import make_private_folder
from dictograph.runtime.process_lock import ProcessLock
from dictograph.service.storage_guard import StorageGuard, troubles
from dictograph.worker.agent import Agent, AgentGroup
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.claimer import Claimer
from dictograph.worker.engines import Engines
from dictograph.worker.leases.lease_renewer import LeaseRenewer
from dictograph.worker.leases.reaper import Reaper
from dictograph.worker.readiness import Readiness
from dictograph.worker.relays.outlets import Outlet
from dictograph.worker.relays.relay import Relay
from dictograph.worker.storage_health import StorageHealth
from dictograph.worker.upkeep.pruner import Pruner, Retention
from dictograph.worker.worker_heartbeat import WorkerHeartbeat


class Worker:
    """Claims jobs and runs them, and does the maintenance: leases, the outbox, data that was kept long enough."""

    def __init__(
        self,
        context: WorkerContext,
        queue: Queue,
        process_lock: ProcessLock,
        *,
        lease_seconds: float,
        slots: int,
        poll_interval: float,
        retention: Retention,
        scratch_root: Path,
        guards: Sequence[StorageGuard],
        wake_ups: Outlet,
        beside: Sequence[Agent] = (),
        trouble: Callable[[], str | None] = lambda: None,
        describe_broker: Callable[[], dict[str, Any]] = dict,
        broker_warnings: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`guards` are the guards of the places of stored files, the storage's first. `wake_ups` wakes the workers of
        all processes. `beside` are further agents, which have nothing to do with running jobs. `trouble` says why no
        jobs can come in from a broker, `describe_broker` the worker's part in its group; empty without one.
        `broker_warnings` says what else is wrong with it."""
        self._context = context
        self._slots = slots
        self._trouble = trouble
        self._describe_broker = describe_broker
        self._broker_warnings = broker_warnings
        self.readiness = Readiness(context.catalog, context.engines)
        self._guards = guards
        self._storage = StorageHealth(
            context.database, context.blobs, context.scratch, context.decoding.reserve, context.policy.patience
        )
        lease_renewer = LeaseRenewer(context.database, lease_seconds)
        self._claimer = Claimer(
            context,
            queue,
            lease_renewer,
            self._storage,
            worker_id=process_lock.id,
            lease_seconds=lease_seconds,
            slots=slots,
            poll_interval=poll_interval,
        )
        self._heartbeat = WorkerHeartbeat(context.database, process_lock.id, self.state)
        self._agents: list[Agent] = [
            self._claimer,
            lease_renewer,
            Reaper(context.database, process_lock, scratch_root, context.policy, lease_seconds),
            Relay(context.database, wake_ups, context.crash, poll_interval),
            Pruner(context.database, context.blobs, guards[0], retention),
            self._heartbeat,
            self.readiness,
            _Named("engines", context.engines),
            _Named("models", context.catalog),
            *beside,
        ]
        self._group = AgentGroup(self._agents)

    def broker(self) -> dict[str, Any]:
        """Describe the worker's part in a broker's group of consumers; empty without one."""
        return self._describe_broker()

    def can_run(self) -> bool:
        """Return whether a job could be run now: the engine is proved, and the storage is there."""
        return self.readiness.ready and not self._storage.reason

    def state(self) -> dict[str, Any]:
        """Describe the worker, for its row in the database."""
        trouble, broker = self._trouble(), self.broker()
        return {
            "running": self._claimer.running,
            "ready": self.can_run() and not trouble,
            "reason": self.readiness.reason or self._storage.reason or trouble or "",
            "engine": self.readiness.engine,
            "model": self.readiness.model,
            "models": self._context.catalog.describe(),
            "warnings": [
                *self._context.catalog.warnings(),
                *troubles(self._guards),
                *self._broker_warnings(),
            ],
            "slots": self._slots,
            "engines": self._context.engines.describe(),
            "needs": sorted(KNOWN_NEEDS),
            "models_memory": self._context.engines.budget.describe(),
            **({"broker": broker} if broker else {}),
        }

    async def start(self) -> None:
        await asyncio.to_thread(make_private_folder, self._context.scratch)
        try:
            await self._context.vad_client.start()
            if self._context.decoders is not None:
                with contextlib.suppress(OSError):  # the first job will report it
                    await self._context.decoders.start()
        except BaseException:
            await self._end_children()
            raise
        self._group.start()

    async def died(self) -> BaseException:
        """Wait until an agent has died and return its error: the process must then stop."""
        return await self._group.died()

    async def stop(self, grace: float) -> None:
        """Release the jobs, within `grace` seconds, and end all children."""
        try:
            await self._claimer.stop(grace)
            await self._group.stop()
        finally:
            await self._end_children()
            # No other process would remove it: a process that has ended properly is expected to leave nothing.
            await asyncio.to_thread(shutil.rmtree, self._context.scratch, ignore_errors=True)
        await self._heartbeat.leave()

    async def _end_children(self) -> None:
        async with contextlib.AsyncExitStack() as stack:  # each one, even if another fails
            if self._context.decoders is not None:
                stack.push_async_callback(self._context.decoders.close)
            stack.push_async_callback(self._context.vad_client.close)
            stack.push_async_callback(self._context.engines.close)


class _Named:
    """Makes an agent of a part that has a loop."""

    def __init__(self, name: str, part: Engines | Catalog) -> None:
        self.name = name
        self._part = part

    async def run(self) -> None:
        await self._part.run()
