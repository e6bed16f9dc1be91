"""Settings in, a wired application out: the only place that knows every part."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from dictograph.audio.addresses import AllowList
from dictograph.audio.decoder import DecodeLimits
from dictograph.audio.fetch import FetchLimits
from dictograph.audio.listener import Listener
from dictograph.blobs import FolderBlobs
from dictograph.crash import CrashPoints
from dictograph.engine.catalog import Catalog
from dictograph.engine.probe import prove
from dictograph.errors import SettingsError
from dictograph.presence import Presence
from dictograph.queue import Queue
from dictograph.queue.database import DatabaseQueue
from dictograph.settings import Settings
from dictograph.store.database import Database
from dictograph.store.lease import RetryPolicy
from dictograph.store.migrate import upgrade
from dictograph.store.tail import Tail
from dictograph.worker.engines import EngineLimits, Engines
from dictograph.worker.fetching import SourceRules
from dictograph.worker.pruner import Retention
from dictograph.worker.runner import Tools
from dictograph.worker.worker import Worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that every process has, whatever it does."""

    settings: Settings
    database: Database
    blobs: FolderBlobs
    queue: Queue
    presence: Presence
    crash: CrashPoints
    tail: Tail
    catalog: Catalog


@asynccontextmanager
async def open_core(settings: Settings) -> AsyncIterator[Core]:
    """Bring the database up to date and open what lies below everything else."""
    crash = CrashPoints(settings.crash_at)
    queue = _queue(settings)
    catalog = Catalog.from_settings(settings)
    await asyncio.to_thread(settings.data_dir.mkdir, parents=True, exist_ok=True)
    await asyncio.to_thread(upgrade, settings.database)
    async with AsyncExitStack() as stack:
        presence = Presence(settings.processes)
        stack.callback(presence.close)
        database = Database.open(settings.database)
        stack.push_async_callback(database.close)
        tail = Tail(database)
        await tail.start()
        stack.push_async_callback(tail.stop)
        blobs = FolderBlobs(settings.storage)
        yield Core(settings, database, blobs, queue, presence, crash, tail, catalog)


def make_worker(core: Core) -> Worker:
    """A worker with its agents, not yet started."""
    settings = core.settings
    limits = EngineLimits(settings.engine_memory, settings.engine_timeout, idle=settings.engine_idle)
    tools = Tools(
        database=core.database,
        blobs=core.blobs,
        catalog=core.catalog,
        engines=Engines(limits, prove),
        listener=Listener(),
        crash=core.crash,
        scratch=settings.scratch / core.presence.id,
        sources=_source_rules(settings),
        decoding=DecodeLimits(settings.max_audio, settings.decoder_memory, settings.decoder_timeout),
        policy=RetryPolicy(settings.retry_base, settings.retry_max),
    )
    return Worker(
        tools,
        core.queue,
        core.presence,
        lease_seconds=settings.lease,
        slots=settings.concurrency,
        poll_interval=settings.poll_interval,
        retention=Retention(
            settings.audio_retention, settings.result_retention, settings.event_retention, settings.orphan_age
        ),
        scratch_root=settings.scratch,
    )


def _queue(settings: Settings) -> Queue:
    if settings.queue_url != "database:":
        raise SettingsError(f"DICTOGRAPH_QUEUE_URL cannot be {settings.queue_url!r}: only `database:` is there.")
    return DatabaseQueue()


def _source_rules(settings: Settings) -> SourceRules:
    limits = FetchLimits(
        max_bytes=settings.max_upload,
        timeout=settings.fetch_timeout,
        allow=AllowList.parse(settings.fetch_allow),
    )
    return SourceRules(limits, settings.path_roots)
