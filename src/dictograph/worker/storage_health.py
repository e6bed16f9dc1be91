"""Check whether this worker's disks allow it to run a job: storage is there, and it and the scratch have free space.

While they do not, no job is claimed: each job would only use up its budget of attempts, through no fault of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from dictograph.audio.decoder_client import check_room_for_samples
from dictograph.blobs.protocol import Blobs
from dictograph.errors import StorageFull, StorageUnavailable
from dictograph.runtime.outage_log import OutageLog
from dictograph.runtime.private_files import make_private_folder
from dictograph.store.database import Database
from dictograph.store.jobs.read import needs_stored_audio
from dictograph.worker.fetching import HOLDS_NOTHING

log = logging.getLogger(__name__)

#: How long the result of a check is used, in seconds.
_LOOK_S = 1.0

#: How long a network disk may take to answer (s); then it counts as not there.
_SILENT_S = 5.0
_SILENT = f"The storage has not answered for {_SILENT_S:.0f} s."


class StorageHealth:
    """Checks the disks on demand, at most once a second, and never twice at once.

    A check may hang as long as a file server does not answer, and its thread with it.
    """

    def __init__(self, database: Database, blobs: Blobs, scratch: Path, reserve: int, patience: float) -> None:
        """`reserve` bytes must be free where decoded audio is written; the storage knows its own reserve.

        The worker waits `patience` seconds for a storage that holds nothing; after that it runs the jobs, and they
        report the error. With 0 nothing is checked: a user who waits for the job gets the error from the job itself.
        """
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
        """Return whether a job can be run; if not, `reason` says why. Raises DatabaseUnavailable."""
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
            self._looking = asyncio.create_task(self._check(), name="check of the storage")
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
        await asyncio.to_thread(self._check_scratch)
        await self._check_mounted()

    def _check_scratch(self) -> None:
        """Check that decoded audio can be written. A scratch folder that was removed is made again."""
        if not self._scratch.is_dir():
            log.warning("the scratch folder %s was removed; it is made again", self._scratch)
            try:
                make_private_folder(self._scratch)
            except OSError as error:
                reason = f"The scratch folder {self._scratch} was removed, and cannot be made again: {error.strerror}."
                raise StorageUnavailable(reason) from error
        check_room_for_samples(self._scratch, self._reserve)

    async def _check_room(self) -> None:
        try:
            await self._blobs.check_room()
        except StorageFull:
            # A job whose audio is stored already needs no more space there, and its end frees some.
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
        """Return whether the storage holds nothing, though it should.

        That it is empty alone proves nothing: a new storage is empty, and so is a mount point without a mount. It is
        asked a second time at the end: the very first upload may have come in between.
        """
        empty = self._blobs.is_empty
        return await empty() and await self._database.read(needs_stored_audio) and await empty()
