"""Remove data that was kept long enough, uploads that were never used, and objects that no row names."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.blobs.protocol import Blobs
from dictograph.service.storage_guard import StorageGuard
from dictograph.store import idempotency, strays
from dictograph.store.database import Database
from dictograph.store.jobs import prune
from dictograph.store.jobs.prune import Pruned
from dictograph.store.storage_marks import STORAGE
from dictograph.store.webhooks import receiver_secrets
from dictograph.worker.agent import TRANSIENT_ERRORS, every

log = logging.getLogger(__name__)

_BATCH = 200

#: The pause between two batches (s): a process that waits for SQLite's lock tries again that often.
_PAUSE_S = 0.1

#: How long an upload can still become a job after its address has expired (s), unless audio is kept for less.
_UPLOAD_KEPT_S = 86_400.0

#: How long after that an upload without data is kept (s): an upload that began in time has arrived by then.
_EMPTY_KEPT_S = 3600.0
#: Their batches are larger, since each row is cheap to remove: there is no object to delete.
_EMPTY_BATCH = 2000

#: How long a sighting is remembered, as a multiple of the age of orphans and in seconds (the longer one counts): the
#: object is gone by then, or it was seen again.
_REMEMBERED, _REMEMBERED_S = 10, 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long data is kept after its job has ended, in seconds; 0 keeps it for ever."""

    audio: float
    results: float
    events: float
    orphans: float


class Pruner:
    """Runs every minute, or more often when data is kept for less than that."""

    name = "pruner"

    def __init__(self, database: Database, blobs: Blobs, guard: StorageGuard, retention: Retention) -> None:
        """`guard` is the guard of the storage."""
        self._database = database
        self._blobs = blobs
        self._guard = guard
        self._keep = retention
        kept = (retention.audio, retention.results, retention.events, retention.orphans)
        self._interval = max(0.5, min([60.0, *(seconds / 2 for seconds in kept if seconds)]))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Remove all data that is due.

        To find objects that no row names, all objects have to be listed. One worker of all does that, each time when
        half the age of orphans has passed.
        """
        await self._prune()
        await self._database.write(idempotency.expire)
        await self._database.write(receiver_secrets.expire)
        if await self._guard.begin_sweep(self._keep.orphans / 2):
            await self._sweep()

    async def _prune(self) -> None:
        keep = self._keep
        if keep.audio:
            await self._remove(lambda c: prune.prune_audio(c, keep.audio, _BATCH))
        if keep.results:
            await self._remove(lambda c: prune.prune_jobs(c, keep.results, _BATCH))
            await self._remove(lambda c: prune.prune_intakes(c, keep.results, _EMPTY_BATCH))
        uploads = min(_UPLOAD_KEPT_S, keep.audio or _UPLOAD_KEPT_S)
        await self._remove(lambda c: prune.prune_uploads(c, uploads, _BATCH))
        await self._remove(lambda c: prune.prune_empty_uploads(c, min(_EMPTY_KEPT_S, uploads), _EMPTY_BATCH))
        if keep.events:
            await self._remove(lambda c: prune.prune_events(c, keep.events, _BATCH))

    async def _remove(self, due: Callable[[Connection], Pruned]) -> None:
        """Remove all rows that are due, batch by batch: one batch a run would be less than what comes in."""
        while True:
            pruned = await self._database.write(due)
            for name in pruned.objects:
                await self._delete(name)
            if not pruned.more:
                return
            await asyncio.sleep(_PAUSE_S)

    async def _sweep(self) -> None:
        """Delete objects that are old and have been known for as long to have no row.

        If the clock of the files was set forward, an object that is being stored at this moment looks old too.
        """
        try:
            async for names in self._blobs.older_than(self._keep.orphans):
                await self._sweep_batch(names)
        except BaseException:
            await self._guard.sweep_again()
            raise
        remembered = max(_REMEMBERED * self._keep.orphans, _REMEMBERED_S)
        await self._database.write(lambda conn: strays.expire(conn, STORAGE, remembered))

    async def _sweep_batch(self, names: Sequence[str]) -> None:
        if not (unnamed := await self._database.read(lambda conn: prune.unnamed(conn, names))):
            return
        removed = []
        for name in await self._database.write(lambda conn: self._due(conn, unnamed)):
            log.info("removing %s, which nothing names", name)
            if await self._delete(name):
                removed.append(name)
        if removed:
            await self._database.write(lambda conn: strays.forget(conn, STORAGE, removed))

    def _due(self, conn: Connection, names: Sequence[str]) -> list[str]:
        return prune.unnamed(conn, strays.sight(conn, STORAGE, names, self._keep.orphans))

    async def _delete(self, name: str) -> bool:
        try:
            await self._blobs.delete(name)
        except TRANSIENT_ERRORS as error:
            log.warning("pruner: %s cannot be removed: %s", name, error)  # the next sweep tries again
            return False
        return True
