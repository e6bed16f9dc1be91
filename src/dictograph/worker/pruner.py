"""The pruner removes what has been kept long enough, uploads that nobody used, and objects that no row names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection

from dictograph.blobs import Blobs
from dictograph.store import idempotency, prune, webhook_secrets
from dictograph.store.database import Database
from dictograph.worker.agent import PASSING, every

log = logging.getLogger(__name__)

_BATCH = 200

#: So long after its address has expired an upload may still be made a job of (s), unless audio is kept for less.
_UPLOAD_KEPT_S = 86_400.0

#: So long after that it is forgotten, if nothing came (s): what was begun in time has come by then.
_EMPTY_KEPT_S = 3600.0
#: Each takes next to nothing: no object goes with it.
_EMPTY_BATCH = 2000


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

    def __init__(self, database: Database, blobs: Blobs, retention: Retention) -> None:
        self._database = database
        self._blobs = blobs
        self._keep = retention
        self._strays: set[str] = set()
        kept = (retention.audio, retention.results, retention.events, retention.orphans)
        self._interval = max(0.5, min([60.0, *(seconds / 2 for seconds in kept if seconds)]))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Remove all that is due."""
        if self._keep.audio:
            await self._remove(lambda c: prune.prune_audio(c, self._keep.audio, _BATCH))
        if self._keep.results:
            await self._remove(lambda c: prune.prune_jobs(c, self._keep.results, _BATCH))
        uploads = min(_UPLOAD_KEPT_S, self._keep.audio or _UPLOAD_KEPT_S)
        await self._remove(lambda c: prune.prune_uploads(c, uploads, _BATCH))
        await self._forget(min(_EMPTY_KEPT_S, uploads))
        if self._keep.events:
            await self._database.write(lambda c: prune.prune_events(c, self._keep.events, _BATCH))
        await self._database.write(idempotency.expire)
        await self._database.write(webhook_secrets.expire)
        await self._sweep()

    async def _forget(self, expired_for_s: float) -> None:
        """Forget all addresses that nothing came to. A batch a turn would not do: they are made faster than that."""
        due = partial(prune.prune_empty_uploads, expired_for_s=expired_for_s, limit=_EMPTY_BATCH)
        while await self._database.write(due) == _EMPTY_BATCH:
            pass

    async def _remove(self, due: Callable[[Connection], list[str]]) -> None:
        for name in await self._database.write(due):
            await self._delete(name)

    async def _sweep(self) -> None:
        """Delete what is old, and was named by no row at the turn before either: if the clock of the files was set
        forward, what is being taken in at this moment is old too."""
        before, self._strays = self._strays, set()
        batch: list[str] = []
        async for name in self._blobs.older_than(self._keep.orphans):
            batch.append(name)
            if len(batch) == _BATCH:
                await self._sweep_batch(batch, before)
                batch.clear()
        await self._sweep_batch(batch, before)

    async def _sweep_batch(self, names: Sequence[str], strays_before: Set[str]) -> None:
        if not names:
            return
        for name in await self._database.read(lambda c: prune.unnamed(c, list(names))):
            self._strays.add(name)
            if name in strays_before:
                log.info("removing %s, which nothing names", name)
                await self._delete(name)

    async def _delete(self, name: str) -> None:
        try:
            await self._blobs.delete(name)
        except PASSING as error:
            log.warning("pruner: %s cannot be removed: %s", name, error)  # the next sweep tries again
