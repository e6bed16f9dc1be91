"""The pruner removes what has been kept long enough, uploads that nobody used, and objects that no row names."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.blobs import Blobs
from dictograph.store import idempotency, prune, webhook_secrets
from dictograph.store.database import Database
from dictograph.store.prune import Pruned
from dictograph.worker.agent import PASSING, every

log = logging.getLogger(__name__)

_BATCH = 200

#: Between two batches others have their turn (s): another process that waits for SQLite's lock looks as often as that.
_PAUSE_S = 0.1

#: So long after its address has expired an upload may still be made a job of (s), unless audio is kept for less.
_UPLOAD_KEPT_S = 86_400.0

#: So long after that it is forgotten, if nothing came (s): what was begun in time has come by then.
_EMPTY_KEPT_S = 3600.0
#: Each takes next to nothing: no object goes with it.
_EMPTY_BATCH = 2000

#: So many objects that no row names are remembered at most, some 10 MB; the rest waits for the next sweep.
_MOST_STRAYS = 50_000


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept after their job ended, in seconds; 0 keeps them."""

    audio: float
    results: float
    events: float
    orphans: float


class Pruner:
    """Takes a turn a minute, or more often when something is kept for less than that."""

    name = "pruner"

    def __init__(
        self, database: Database, blobs: Blobs, retention: Retention, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._keep = retention
        self._clock = clock
        self._strays: set[str] = set()
        self._next_sweep = -math.inf
        self._swept = False
        kept = (retention.audio, retention.results, retention.events, retention.orphans)
        self._interval = max(0.5, min([60.0, *(seconds / 2 for seconds in kept if seconds)]))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Remove all that is due. To look for objects that no row names is to look at all there are: that is done
        when half the time has passed after which one is removed."""
        await self._prune()
        await self._database.write(idempotency.expire)
        await self._database.write(webhook_secrets.expire)
        if self._clock() >= self._next_sweep:
            await self._sweep()
            # The second comes soon: a worker that does not live for long removes something, too.
            self._next_sweep = self._clock() + (self._keep.orphans / 2 if self._swept else self._interval)
            self._swept = True

    async def _prune(self) -> None:
        keep = self._keep
        if keep.audio:
            await self._remove(lambda c: prune.prune_audio(c, keep.audio, _BATCH))
        if keep.results:
            await self._remove(lambda c: prune.prune_jobs(c, keep.results, _BATCH))
        uploads = min(_UPLOAD_KEPT_S, keep.audio or _UPLOAD_KEPT_S)
        await self._remove(lambda c: prune.prune_uploads(c, uploads, _BATCH))
        await self._remove(lambda c: prune.prune_empty_uploads(c, min(_EMPTY_KEPT_S, uploads), _EMPTY_BATCH))
        if keep.events:
            await self._remove(lambda c: prune.prune_events(c, keep.events, _BATCH))

    async def _remove(self, due: Callable[[Connection], Pruned]) -> None:
        """Remove all that is due, a batch at a time: one batch a turn would not do, more than that comes in."""
        while True:
            pruned = await self._database.write(due)
            for name in pruned.objects:
                await self._delete(name)
            if not pruned.more:
                return
            await asyncio.sleep(_PAUSE_S)

    async def _sweep(self) -> None:
        """Delete what is old, and was named by no row at the sweep before either: if the clock of the files was set
        forward, what is being taken in at this moment is old too."""
        before, self._strays = self._strays, set()
        async for names in self._blobs.older_than(self._keep.orphans):
            await self._sweep_batch(names, before)

    async def _sweep_batch(self, names: Sequence[str], strays_before: Set[str]) -> None:
        for name in await self._database.read(lambda c: prune.unnamed(c, names)):
            if name in strays_before:
                log.info("removing %s, which nothing names", name)
                await self._delete(name)
            elif len(self._strays) < _MOST_STRAYS:
                self._strays.add(name)

    async def _delete(self, name: str) -> None:
        try:
            await self._blobs.delete(name)
        except PASSING as error:
            log.warning("pruner: %s cannot be removed: %s", name, error)  # the next sweep tries again
