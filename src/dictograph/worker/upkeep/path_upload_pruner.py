"""Remove uploads of the path contract that were kept long enough and that no job needs any more."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dictograph.service.compat.path_uploads import PathUploads
from dictograph.service.storage_guard import StorageGuard
from dictograph.store import strays
from dictograph.store.compat.path_jobs import needed_paths
from dictograph.store.database import Database
from dictograph.store.storage_marks import PATH_UPLOADS
from dictograph.worker.agent import TRANSIENT_ERRORS, every

log = logging.getLogger(__name__)

_BATCH = 200

#: How long a sighting is remembered (s): the file is gone by then, or it was seen again.
_REMEMBERED_S = 7 * 86_400.0


class PathUploadPruner:
    """Runs every minute, or more often when uploads are kept for less than that."""

    name = "path upload pruner"

    def __init__(
        self, database: Database, uploads: PathUploads, guard: StorageGuard, kept: float, unfinished: float
    ) -> None:
        """`kept` is how long uploads are kept, `unfinished` how long unfinished ones are, in seconds (0: for ever).
        `guard` is that of the folder of uploads."""
        self._database = database
        self._guard = guard
        self._uploads = uploads
        self._kept = kept
        self._unfinished = unfinished
        self._interval = max(0.5, min([60.0, *(seconds / 2 for seconds in (kept, unfinished) if seconds)]))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Remove the uploads that are due, and were due at an earlier run already.

        If the clock of the files was set forward, an upload that is being received at this moment is due too.
        """
        found = await self._uploads.older_than(self._kept, self._unfinished)
        if not found or not await self._guard.begin_sweep(self._interval / 2):
            return
        for first in range(0, len(found), _BATCH):
            await self._sight(found[first : first + _BATCH])
        await self._database.write(lambda conn: strays.expire(conn, PATH_UPLOADS, _REMEMBERED_S))

    async def _sight(self, paths: Sequence[str]) -> None:
        wait = self._interval / 2
        due = await self._database.write(lambda conn: strays.sight(conn, PATH_UPLOADS, paths, wait))
        if due:
            await self._remove_unneeded(due)

    async def _remove_unneeded(self, paths: Sequence[str]) -> None:
        needed = await self._database.read(lambda conn: needed_paths(conn, paths))
        gone = [path for path in paths if path not in needed and await self._remove(path)]
        await self._database.write(lambda conn: strays.forget(conn, PATH_UPLOADS, gone))

    async def _remove(self, path: str) -> bool:
        try:
            await self._uploads.remove(path)
        except TRANSIENT_ERRORS as error:
            log.warning("path upload pruner: %s cannot be removed: %s", path, error)  # the next run tries again
            return False
        return True
