"""What every process has: database, storage, queue, locks; opened in order, closed in reverse."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.options import StorageOptions
from dictograph.blobs.protocol import Blobs
from dictograph.broker import MessageProducer
from dictograph.database_setup import prepare_database
from dictograph.errors import SettingsError
from dictograph.models.catalog import Catalog
from dictograph.queue import Queue
from dictograph.queue.kinds import open_queue
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.runtime.disk import FULL
from dictograph.runtime.private_files import make_private_folder
from dictograph.runtime.process_lock import ProcessLock
from dictograph.service.compat.backend_updates import tell_changes
from dictograph.service.status import QueueState
from dictograph.service.storage_guard import StorageGuard, guards_of
from dictograph.settings.model import Settings
from dictograph.settings.profiles.selection import names_of
from dictograph.store.database import Database
from dictograph.store.storage_marks import STORAGE, mark_of
from dictograph.store.tail import Tail
from dictograph.worker.agent import TRANSIENT_ERRORS
from dictograph.worker.relays.outlets import WakeUps

if TYPE_CHECKING:
    from dictograph.parts.kafka_parts import KafkaParts
    from dictograph.parts.redis_parts import RedisParts

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Resources:
    """The parts that every process has. `guards` are those of the storage and of the path contract's uploads. Setting
    `stopping` ends all streams and waits. `kafka` or `redis` is there where the queue is on it."""

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
    redis: RedisParts | None = None

    @property
    def producer(self) -> MessageProducer | None:
        """Return the producer of messages; None without a broker."""
        return None if self.kafka is None else self.kafka.producer

    def queue_state(self) -> QueueState:
        """Return what is known of the queue's broker."""
        broker = self.kafka or self.redis
        return QueueState() if broker is None else broker.state()

    def broker_warnings(self) -> Sequence[str]:
        """Return a sentence when the queue's Redis cannot be used. Jobs are done without it."""
        return [self.redis.watch.warning] if self.redis is not None and self.redis.watch.warning else []

    @property
    def wake_ups(self) -> WakeUps:
        """Return the outlet that wakes workers."""
        return WakeUps(self.queue) if self.redis is None else self.redis.wake_ups()


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
        tell_changes(settings, database)
        kafka = await _kafka_parts(settings, database, crash)
        if kafka is not None:
            stack.push_async_callback(kafka.close)
        redis = _redis_parts(settings, database, crash)
        if redis is not None:
            stack.push_async_callback(redis.close)
        queue = open_queue(settings.queue_url, database, _queue_of(kafka, redis))
        stack.push_async_callback(queue.close)
        tail = Tail(database)
        await tail.start()
        stack.push_async_callback(tail.stop)
        blobs = open_blobs(settings.objects_url, _storage_options(settings, crash))
        guards = guards_of(settings, database, blobs)
        await _prepare_storage(blobs)
        await _stamp_new(guards)
        yield Resources(
            settings, database, blobs, guards, queue, process_lock, crash, tail, catalog, asyncio.Event(), kafka, redis
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


async def _kafka_parts(settings: Settings, database: Database, crash: CrashPoints) -> KafkaParts | None:
    if not settings.brokers:
        return None
    from dictograph.parts.kafka_parts import KafkaParts  # other queues need nothing of it

    mark = await database.read(lambda conn: mark_of(conn, STORAGE))
    return KafkaParts(settings, database, crash, mark.identity)


def _redis_parts(settings: Settings, database: Database, crash: CrashPoints) -> RedisParts | None:
    if not settings.redis_url:
        return None
    from dictograph.parts.redis_parts import RedisParts  # other queues need nothing of it

    return RedisParts(settings, database, crash)


def _queue_of(kafka: KafkaParts | None, redis: RedisParts | None) -> Queue | None:
    if kafka is not None:
        return kafka.queue
    return None if redis is None else redis.queue


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
