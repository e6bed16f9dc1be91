"""The sweeper removes uploads of the path contract that were kept long enough, and that no job needs any more."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dictograph.service.path_uploads import PathUploads
from dictograph.store.by_path import needed_paths
from dictograph.store.database import Database
from dictograph.worker.agent import PASSING, every

log = logging.getLogger(__name__)

_BATCH = 200


class Sweeper:
    """Takes a turn a minute, or more often when uploads are kept for less than that."""

    name = "sweeper"

    def __init__(self, database: Database, uploads: PathUploads, kept: float, unfinished: float) -> None:
        """Uploads are `kept` for so many seconds (0: for ever), and `unfinished` ones for so many."""
        self._database = database
        self._uploads = uploads
        self._kept = kept
        self._unfinished = unfinished
        self._due: set[str] = set()
        self._interval = max(0.5, min([60.0, *(seconds / 2 for seconds in (kept, unfinished) if seconds)]))

    async def run(self) -> None:
        await every(self._interval, self.turn, self.name)

    async def turn(self) -> None:
        """Remove what is due, and was at the turn before: if the clock of the files was set forward, what is being
        taken in at this moment is due too."""
        found = await self._uploads.older_than(self._kept, self._unfinished)
        due = [path for path in found if path in self._due]
        self._due = set(found)
        for first in range(0, len(due), _BATCH):
            await self._remove_unneeded(due[first : first + _BATCH])

    async def _remove_unneeded(self, paths: Sequence[str]) -> None:
        needed = await self._database.read(lambda conn: needed_paths(conn, paths))
        for path in paths:
            if path not in needed:
                await self._remove(path)

    async def _remove(self, path: str) -> None:
        try:
            await self._uploads.remove(path)
        except PASSING as error:
            log.warning("sweeper: %s cannot be removed: %s", path, error)  # the next turn tries again
