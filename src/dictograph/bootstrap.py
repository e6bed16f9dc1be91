"""Build a wired application from settings. Only this module knows every part."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dictograph.audio.decoder_client import DecodeLimits, forks_of_decoders
from dictograph.audio.vad_client import VadClient, voice_detector
from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.options import StorageOptions
from dictograph.blobs.protocol import Blobs
from dictograph.broker import MessageProducer
from dictograph.child.memory_budget import MemoryBudget
from dictograph.child.sandbox.policy import Mode
from dictograph.child.sandbox.self_test import warn
from dictograph.contract import Contract
from dictograph.database_setup import prepare_database
from dictograph.engine.probe import prove
from dictograph.engine.sizing import models_memory
from dictograph.errors import SettingsError
from dictograph.models.catalog import Catalog
from dictograph.net.addresses import AllowList
from dictograph.net.fetch import FetchLimits
from dictograph.parts.stt_parts import answer_agents, stt_parts
from dictograph.queue import Queue
from dictograph.queue.kinds import open_queue
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.runtime.disk import FULL
from dictograph.runtime.private_files import make_private_folder
from dictograph.runtime.process_lock import ProcessLock
from dictograph.service.compat.path_jobs import roots_of
from dictograph.service.compat.path_uploads import PathUploads
from dictograph.service.remote_workers import RemoteWorkers
from dictograph.service.services import Services
from dictograph.service.status import Readiness
from dictograph.service.storage_guard import StorageGuard, guards_of, troubles
from dictograph.settings.model import Settings, variable
from dictograph.settings.profiles.selection import names_of
from dictograph.store.database import Database
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.tail import Tail
from dictograph.stt.codes import contract_code
from dictograph.webhooks.sender import WebhookSender
from dictograph.worker.agent import TRANSIENT_ERRORS, Agent, AgentGroup
from dictograph.worker.attempt_observer import AttemptObserver, NobodyObserves
from dictograph.worker.batching.engine_dispatcher import EngineLimits
from dictograph.worker.engines import Engines
from dictograph.worker.fetching import SourceRules
from dictograph.worker.leases.reaper import Reaper
from dictograph.worker.relays.outlets import WakeUps
from dictograph.worker.relays.relay import Relay
from dictograph.worker.relays.webhooks import WebhookRelay
from dictograph.worker.runner import WorkerContext
from dictograph.worker.upkeep.guard_post import GuardPost
from dictograph.worker.upkeep.path_upload_pruner import PathUploadPruner
from dictograph.worker.upkeep.pruner import Retention
from dictograph.worker.worker import Worker

if TYPE_CHECKING:
    from dictograph.parts.kafka_parts import KafkaParts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resources:
    """The parts that every process has. `guards` are those of the storage and of the path contract's uploads. Setting
    `stopping` ends all streams and waits. `kafka` is there where the queue is on Kafka."""

    settings: Settings
    database: Database
    blobs: Blobs
    guards: Sequence[StorageGuard]
    queue: Queue
    process_lock: ProcessLock
    crash: CrashPoints
    tail: Tail
    catalog: Catalog
    stopping: asyncio.Event
    kafka: KafkaParts | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """The wired parts of a process: the service functions, and a worker if it has one. `agents` are the loops that run
    beside requests: when one has `died`, the process must stop. `exposition` gives the worker's metrics."""

    resources: Resources
    services: Services
    worker: Worker | None
    agents: Worker | AgentGroup
    exposition: Callable[[], bytes] = bytes

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
    in_place: bool = False,
    last_resort: bool = True,
    before: Callable[[Services], Awaitable[None]] | None = None,
) -> AsyncIterator[Application]:
    """Yield a wired application. A worker is started, and stopped at the end; its jobs are released.

    With `in_place` the files of paths are read where they are, and not copied into the storage.
    With `last_resort` jobs that name no engine get sphinx when Whisper cannot be had.
    `before` is awaited before anything is started: an error of it ends everything, and no job is touched.
    """
    async with open_resources(settings, last_resort=last_resort) as resources:
        observer, exposition = _observed(settings)
        own_worker = make_worker(resources, observer, in_place=in_place) if worker else None
        remote_workers = RemoteWorkers(resources.database)
        maintenance = AgentGroup(
            [
                remote_workers,
                _reaper(resources),
                _path_upload_pruner(resources),
                GuardPost(resources.guards, settings.orphan_age),
                *(resources.kafka.agents() if resources.kafka else []),
                *answer_agents(settings, resources.database, _producer(resources), resources.crash),
                *_wake_ups(resources),
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
            readiness=_readiness_of(own_worker) if own_worker else _with_warnings(remote_workers.ask, resources.guards),
            stopping=resources.stopping,
            broker_word=resources.kafka.word if resources.kafka else lambda: "disconnected",
        )
        if before is not None:
            await before(services)
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


def _reaper(resources: Resources) -> Reaper:
    """Return the reaper for a machine without a worker: it removes what a killed API process was receiving."""
    settings = resources.settings
    return Reaper(resources.database, resources.process_lock, settings.scratch, _retry_policy(settings), settings.lease)


def _retry_policy(settings: Settings) -> RetryPolicy:
    return RetryPolicy(settings.retry_base, settings.retry_max, settings.weights_patience)


def _path_upload_pruner(resources: Resources) -> PathUploadPruner:
    settings = resources.settings
    return PathUploadPruner(
        resources.database, PathUploads.of(settings), resources.guards[1], settings.audio_retention, settings.orphan_age
    )


@asynccontextmanager
async def open_resources(settings: Settings, *, last_resort: bool = True) -> AsyncIterator[Resources]:
    """Bring the database up to date and open the parts that all others need."""
    crash = CrashPoints(settings.crash_at)
    catalog = Catalog.from_settings(settings, last_resort=last_resort)
    await asyncio.to_thread(_make_folders, settings)
    await asyncio.to_thread(prepare_database, settings)
    async with AsyncExitStack() as stack:
        process_lock = _take_process_lock(settings)
        stack.callback(process_lock.close)
        database = Database.open(settings.database, settings.database_pool)
        stack.push_async_callback(database.close)
        kafka = _kafka_parts(settings, database, crash)
        if kafka is not None:
            stack.push_async_callback(kafka.close)
        queue = open_queue(settings.queue_url, database, kafka.queue if kafka else None)
        stack.push_async_callback(queue.close)
        tail = Tail(database)
        await tail.start()
        stack.push_async_callback(tail.stop)
        blobs = open_blobs(settings.objects_url, _storage_options(settings, crash))
        guards = guards_of(settings, database, blobs)
        await _prepare_storage(blobs)
        await _stamp_new(guards)
        yield Resources(
            settings, database, blobs, guards, queue, process_lock, crash, tail, catalog, asyncio.Event(), kafka
        )


def _storage_options(settings: Settings, crash: CrashPoints) -> StorageOptions:
    return replace(settings.storage_options, part_uploaded=lambda: crash.reach(Point.PART_UPLOADED))


async def _prepare_storage(blobs: Blobs) -> None:
    """Make the storage's own place. If that fails now, it is tried again by the first upload."""
    try:
        await blobs.prepare()
    except TRANSIENT_ERRORS as error:
        log.warning("%s It is tried again.", error)


async def _stamp_new(guards: Sequence[StorageGuard]) -> None:
    """Mark new places before the first request. If that fails now, the guard reports it in its next round."""
    for guard in guards:
        with contextlib.suppress(*TRANSIENT_ERRORS):
            await guard.stamp_if_new()


def _observed(settings: Settings) -> tuple[AttemptObserver, Callable[[], bytes]]:
    """Return who counts the worker's attempts, and what gives the figures. Without an address for them nobody does."""
    if not settings.worker_listen:
        return NobodyObserves(), bytes
    from dictograph.telemetry.stt_worker_metrics import SttWorkerMetrics  # loads what nobody else needs

    metrics = SttWorkerMetrics(lambda job: job.contract == Contract.STT_WORKER, contract_code)
    return metrics, metrics.exposition


def make_worker(resources: Resources, observer: AttemptObserver, *, in_place: bool = False) -> Worker:
    """Return a worker with its agents, not yet started."""
    settings = resources.settings
    limits = EngineLimits(
        settings.engine_memory, settings.engine_timeout, idle=settings.engine_idle, confined=settings.sandbox
    )
    scratch = settings.scratch / resources.process_lock.id
    context = WorkerContext(
        database=resources.database,
        blobs=resources.blobs,
        catalog=resources.catalog,
        engines=Engines(limits, prove, MemoryBudget(models_memory(settings.models_memory))),
        vad_client=VadClient(voice_detector(settings.sandbox, scratch)),
        decoders=forks_of_decoders(settings.sandbox),
        crash=resources.crash,
        scratch=scratch,
        sources=_source_rules(settings, in_place),
        decoding=DecodeLimits(
            settings.max_audio,
            settings.decoder_memory,
            settings.decoder_timeout,
            settings.storage_reserve,
            settings.sandbox,
        ),
        policy=_retry_policy(settings),
        observer=observer,
    )

    def can_run() -> bool:
        return worker.can_run()  # the worker is made below

    def is_stored(url: str) -> bool:
        return resources.blobs.find(url) is not None

    stt = stt_parts(settings, resources.database, _producer(resources), resources.crash, can_run, is_stored)
    worker = Worker(
        context,
        resources.queue,
        resources.process_lock,
        lease_seconds=settings.lease,
        slots=settings.concurrency,
        poll_interval=settings.poll_interval,
        retention=Retention(
            settings.audio_retention, settings.result_retention, settings.event_retention, settings.orphan_age
        ),
        scratch_root=settings.scratch,
        guards=resources.guards,
        beside=[
            _path_upload_pruner(resources),
            GuardPost(resources.guards, settings.orphan_age),
            _webhooks(resources),
            *_kafka_agents(resources),
            *stt.agents,
        ],
        trouble=stt.trouble,
        describe_broker=stt.describe,
    )
    return worker


def _wake_ups(resources: Resources) -> list[Relay]:
    """Return the relay that wakes workers of other processes; a queue in the database wakes them without one."""
    if resources.kafka is None:
        return []
    outlet = WakeUps(resources.queue)
    return [Relay(resources.database, outlet, resources.crash, resources.settings.poll_interval)]


def _kafka_parts(settings: Settings, database: Database, crash: CrashPoints) -> KafkaParts | None:
    if not settings.brokers:
        return None
    from dictograph.parts.kafka_parts import KafkaParts  # other queues need nothing of it

    return KafkaParts(settings, database, crash)


def _producer(resources: Resources) -> MessageProducer | None:
    return None if resources.kafka is None else resources.kafka.producer


def _kafka_agents(resources: Resources) -> list[Agent]:
    kafka = resources.kafka
    return [] if kafka is None else [*kafka.agents(), *kafka.worker_agents(resources.blobs)]


def _webhooks(resources: Resources) -> WebhookRelay:
    settings = resources.settings
    sender = WebhookSender(AllowList.parse(settings.webhook_allow, variable("webhook_allow")), settings.webhook_timeout)
    return WebhookRelay(resources.database, sender, settings.poll_interval)


def _readiness_of(worker: Worker) -> Callable[[], Readiness]:
    def read() -> Readiness:
        state = worker.state()
        return Readiness(state["ready"], state["reason"], tuple(state["models"]), tuple(state["warnings"]))

    return read


def _with_warnings(read: Callable[[], Readiness], guards: Sequence[StorageGuard]) -> Callable[[], Readiness]:
    """Return the readiness of remote workers with the storage warnings of this process added."""

    def read_with_warnings() -> Readiness:
        readiness = read()
        return replace(readiness, warnings=tuple(dict.fromkeys([*readiness.warnings, *troubles(guards)])))

    return read_with_warnings


def _make_folders(settings: Settings) -> None:
    folders = {"data_dir": settings.data_dir, "path_upload_dir": settings.path_uploads, "storage_url": settings.storage}
    for setting, folder in folders.items():
        if folder is not None:
            _make_folder(folder, names_of(setting, settings.profile))


def _make_folder(folder: Path, names: str) -> None:
    """Make the folder, and check that this user may write in it: an error that stays is reported at the start."""
    try:
        make_private_folder(folder)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if error.errno not in FULL:  # a full disk is reported to clients that upload
            raise _unwritable(folder, names, error) from error


def _take_process_lock(settings: Settings) -> ProcessLock:
    try:
        return ProcessLock(settings.processes)
    except OSError as error:
        raise _unwritable(settings.processes, names_of("data_dir", settings.profile), error) from error


def _unwritable(folder: Path, names: str, error: OSError) -> SettingsError:
    return SettingsError(f"{folder} cannot be written ({names}): {error.strerror}.")


def _source_rules(settings: Settings, in_place: bool) -> SourceRules:
    limits = FetchLimits(
        max_bytes=settings.max_upload,
        timeout=settings.fetch_timeout,
        allow=AllowList.parse(settings.fetch_allow),
    )
    return SourceRules(limits, roots_of(settings), in_place)
