"""Build a wired application from settings. Only this module knows every part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from dictograph.child.sandbox.policy import Mode
from dictograph.child.sandbox.self_test import warn
from dictograph.parts.resources import Resources, open_resources
from dictograph.parts.stt_parts import answer_agents
from dictograph.parts.telemetry_parts import Exposition, exposition_of, nothing, observed
from dictograph.parts.upkeep_parts import reaper_of, upkeep_agents
from dictograph.parts.worker_parts import make_worker
from dictograph.service.remote_workers import RemoteWorkers
from dictograph.service.services import Services
from dictograph.service.status import Readiness
from dictograph.service.storage_guard import troubles
from dictograph.settings.model import Settings
from dictograph.worker.agent import Agent, AgentGroup
from dictograph.worker.relays.relay import Relay
from dictograph.worker.worker import Worker


@dataclass(frozen=True, slots=True)
class Application:
    """The wired parts of a process: the service functions, and a worker if it has one. `agents` are the loops that run
    beside requests: when one has `died`, the process must stop. `exposition` gives the worker's metrics."""

    resources: Resources
    services: Services
    worker: Worker | None
    agents: Worker | AgentGroup
    exposition: Exposition = nothing

    def engine_in_words(self) -> str:
        """Return the engine and model of jobs that name none, as far as they are known now."""
        for model in self.resources.catalog.describe():
            if model["default"]:
                state = "" if model["state"] == "ready" else f" ({model['state']})"
                return f"{model['engine']}, model {model['id']}{state}"
        return self.resources.settings.engine


@asynccontextmanager
async def open_application(
    settings: Settings,
    *,
    worker: bool,
    hosted: bool = False,
    in_place: bool = False,
    last_resort: bool = True,
    before: Callable[[Services], Awaitable[None]] | None = None,
) -> AsyncIterator[Application]:
    """Yield a wired application. A worker is started, and stopped at the end; its jobs are released.

    With `hosted` a worker starts no Celery worker where the queue is on Redis: it has one beside it.
    With `in_place` the files of paths are read where they are, and not copied into the storage.
    With `last_resort` jobs that name no engine get sphinx when Whisper cannot be had.
    `before` is awaited before anything is started: an error of it ends everything, and no job is touched.
    """
    async with open_resources(settings, last_resort=last_resort) as resources:
        observer, attempts = observed(settings)
        own_worker = make_worker(resources, observer, in_place=in_place, hosted=hosted) if worker else None
        remote_workers = RemoteWorkers(resources.database)
        maintenance = AgentGroup(
            [
                remote_workers,
                reaper_of(resources),
                *upkeep_agents(resources),
                *_relays(resources),
            ]
        )
        services = Services.build(
            database=resources.database,
            blobs=resources.blobs,
            tail=resources.tail,
            models=resources.catalog,
            settings=settings,
            crash=resources.crash,
            process_id=resources.process_lock.id,
            readiness=_readiness_of(own_worker) if own_worker else _with_warnings(remote_workers.ask, resources),
            stopping=resources.stopping,
            queue=resources.queue_state,
            broker_word=resources.kafka.word if resources.kafka else lambda: "disconnected",
        )
        if before is not None:
            await before(services)
        exposition = exposition_of(resources, attempts, own_worker.broker) if own_worker else nothing
        application = Application(resources, services, own_worker, own_worker or maintenance, exposition)
        async with (
            _running_worker(own_worker, settings.shutdown_grace, settings.sandbox)
            if own_worker
            else _running_maintenance(maintenance)
        ):
            try:
                yield application
            finally:
                resources.stopping.set()


@asynccontextmanager
async def _running_worker(worker: Worker, grace: float, confined: Mode) -> AsyncIterator[None]:
    await worker.start()
    sandbox_check = asyncio.create_task(warn(confined), name="sandbox")
    try:
        yield
    finally:
        sandbox_check.cancel()
        await asyncio.gather(sandbox_check, return_exceptions=True)
        await worker.stop(grace)


@asynccontextmanager
async def _running_maintenance(agent_group: AgentGroup) -> AsyncIterator[None]:
    agent_group.start()
    try:
        yield
    finally:
        await agent_group.stop()


def _readiness_of(worker: Worker) -> Callable[[], Readiness]:
    def read() -> Readiness:
        state = worker.state()
        return Readiness(state["ready"], state["reason"], tuple(state["models"]), tuple(state["warnings"]))

    return read


def _with_warnings(read: Callable[[], Readiness], resources: Resources) -> Callable[[], Readiness]:
    """Return the readiness of remote workers, with this process's warnings of storage and broker added."""

    def read_with_warnings() -> Readiness:
        readiness = read()
        own = [*troubles(resources.guards), *resources.broker_warnings()]
        return replace(readiness, warnings=tuple(dict.fromkeys([*readiness.warnings, *own])))

    return read_with_warnings


def _relays(resources: Resources) -> list[Agent]:
    """Return what a process without a worker has of a broker. A queue in the database wakes workers without a relay."""
    kafka, redis, settings = resources.kafka, resources.redis, resources.settings
    if kafka is None and redis is None:
        return []
    wake_ups = Relay(resources.database, resources.wake_ups, resources.crash, settings.poll_interval)
    if kafka is None:
        return [*(redis.agents() if redis else ()), wake_ups]
    answers = answer_agents(settings, resources.database, kafka.producer, resources.crash)
    return [*kafka.agents(), *answers, wake_ups]
