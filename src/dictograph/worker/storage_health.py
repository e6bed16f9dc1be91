"""Whether this worker's disks allow it to run a job: the storage is there, and both it and the scratch have room.

While they do not, nothing is claimed: each job would only spend its budget of attempts on what is no fault of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from dictograph.audio.decoder_client import check_room_for_samples
from dictograph.blobs.objects import Blobs
from dictograph.errors import StorageFull, StorageUnavailable
from dictograph.runtime.outage_log import OutageLog
from dictograph.store.database import Database
from dictograph.store.jobs.read import needs_stored_audio
from dictograph.worker.fetching import HOLDS_NOTHING

log = logging.getLogger(__name__)

#: What was seen holds for so long, in seconds.
_LOOK_S = 1.0

#: A disk of the network that does not answer for so long (s) is not there.
_SILENT_S = 5.0
_SILENT = f"The storage has not answered for {_SILENT_S:.0f} s."


class StorageHealth:
    """Looked at when it is asked for, at most once a second, and never twice at once: a look may hang for as long
    as a server of files is away, and its thread with it."""

    def __init__(self, database: Database, blobs: Blobs, scratch: Path, reserve: int, patience: float) -> None:
        """`reserve` bytes must be free where decoded audio goes; the storage knows its own. A storage that holds
        nothing is waited for for `patience` seconds, then the jobs shall tell. With 0 nothing is looked at: whoever
        sits there and waits is told by the job in any case."""
        self._database = database
        self._blobs = blobs
        self._scratch = scratch
        self._reserve = reserve
        self._patience = patience
        self._bare_since: float | None = None
        self._trouble = OutageLog(log, "storage, no job is begun")
        self._looking: asyncio.Task[None] | None = None
        self._began = -_LOOK_S
        self.reason = ""

    async def is_there(self) -> bool:
        """Whether a job can be run; else `reason` says why not. Raises DatabaseUnavailable."""
        if self._patience and (self._looking is not None or time.monotonic() - self._began >= _LOOK_S):
            await self._see()
        return not self.reason

    async def _see(self) -> None:
        try:
            await self._look()
        except (StorageFull, StorageUnavailable) as error:
            self.reason = error.message
            self._trouble.failed(error)
        else:
            self.reason = ""
            self._trouble.recovered()

    async def _look(self) -> None:
        if self._looking is None:
            self._began = time.monotonic()
            self._looking = asyncio.create_task(self._check(), name="look at the storage")
        looking = self._looking
        try:
            await asyncio.wait({looking}, timeout=max(0.0, self._began + _SILENT_S - time.monotonic()))
        except asyncio.CancelledError:
            looking.cancel()
            raise
        if not looking.done():
            raise StorageUnavailable(_SILENT)
        self._looking = None
        looking.result()

    async def _check(self) -> None:
        await self._check_room()
        await asyncio.to_thread(check_room_for_samples, self._scratch, self._reserve)
        await self._check_mounted()

    async def _check_room(self) -> None:
        try:
            await self._blobs.check_room()
        except StorageFull:
            # What lies there already needs no more room, and only its end makes some.
            if not await self._database.read(needs_stored_audio):
                raise

    async def _check_mounted(self) -> None:
        if not await self._is_bare():
            self._bare_since = None
            return
        now = time.monotonic()
        self._bare_since = now if self._bare_since is None else self._bare_since
        if now - self._bare_since < self._patience:
            raise StorageUnavailable(HOLDS_NOTHING)

    async def _is_bare(self) -> bool:
        """Whether it holds nothing, though it should. That it is empty tells nothing: a new one is, and so is the
        place where none is mounted. At last it is asked again: the very first upload may have come in between."""
        empty = self._blobs.is_empty
        return await empty() and await self._database.read(needs_stored_audio) and await empty()
