"""Files that clients of the path contract upload, to name them afterwards by the path that they are told."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from dictograph.blobs import Blobs, BlobWriter, FolderBlobs, Notes
from dictograph.disk import time_of_files
from dictograph.errors import DictographError, EmptyUpload
from dictograph.service.arrival import Arrival
from dictograph.service.naming import display_name
from dictograph.service.uncut import to_its_end
from dictograph.settings import Settings

log = logging.getLogger(__name__)

#: The folder of one upload. What else lies in the folder of uploads is somebody else's, and never touched.
_FOLDER = re.compile(r"[0-9a-f]{32}")

_PART = ".part"

#: A name may be put into a query or a shell as it is; what made it is kept nowhere.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80


class PathUploads:
    """The folder of uploads, each in a folder of its own."""

    def __init__(self, folder: Path, reserve: int, limit: int) -> None:
        """`reserve` bytes of the disk are left free; an upload has at most `limit` bytes."""
        self.folder = folder
        self._blobs = FolderBlobs(folder, reserve)
        self.limit = limit

    @classmethod
    def of(cls, settings: Settings) -> PathUploads:
        """As the settings say."""
        return cls(settings.path_uploads, settings.storage_reserve, settings.max_upload)

    @property
    def notes(self) -> Notes:
        """What the folder says of itself."""
        return self._blobs

    @asynccontextmanager
    async def receive(self) -> AsyncIterator[Incoming]:
        """Receive an upload. What was not kept at the end of the context is gone."""
        incoming = Incoming(self._blobs, self.folder, self.limit)
        try:
            yield incoming
        finally:
            if not incoming.kept:
                await to_its_end(_undone(incoming))

    async def older_than(self, kept_s: float, unfinished_s: float) -> list[str]:
        """The paths of uploads that came more than `kept_s` seconds ago (0: of none), and of those that were begun
        and not gone on with for `unfinished_s`: by the clock that stamps the files."""
        return await asyncio.to_thread(lambda: list(self._old(kept_s, unfinished_s)))

    async def remove(self, path: str) -> None:
        """Remove an upload; one that is not there is no error."""
        await self._blobs.delete(str(Path(path).relative_to(self.folder)))

    def _old(self, kept_s: float, unfinished_s: float) -> Iterator[str]:
        if not self.folder.is_dir():
            return
        now = time_of_files(self.folder)
        for path, changed in _uploads(self.folder):
            seconds = unfinished_s if path.endswith(_PART) else kept_s
            if seconds and now - changed > seconds:
                yield path


class Incoming:
    """One upload on its way in. Nobody can name it before it was kept."""

    def __init__(self, blobs: Blobs, folder: Path, limit: int) -> None:
        self._blobs = blobs
        self._folder = folder
        self._id = uuid4().hex
        self._name = ""
        self._arrival = Arrival(self._open, limit)
        self.kept = False

    def begin(self, filename: str) -> None:
        """The file begins, and this is what the client calls it."""
        self._name = f"{self._id}/{safe_name(filename)}"

    async def write(self, data: bytes) -> None:
        """Take some bytes. Raises UploadTooLarge, StorageFull, StorageUnavailable."""
        await self._arrival.write(data)

    async def keep(self) -> str:
        """All bytes are here: have them on the disk; returns their path.

        Raises:
            EmptyUpload: there were none.
            StorageFull, StorageUnavailable.
        """
        if not self._arrival.size:
            raise EmptyUpload("The uploaded file is empty.", param="file")
        await to_its_end(self._commit())
        return str(self._folder / self._name)

    async def undo(self) -> None:
        await self._arrival.undo(self._blobs, self._name)

    async def _commit(self) -> None:
        await self._arrival.commit()
        self.kept = True

    async def _open(self) -> BlobWriter:
        return await self._blobs.create(self._name)


def safe_name(filename: str) -> str:
    """A name for the file that needs no quoting anywhere, and reminds of what the client called it."""
    name = _UNSAFE.sub("_", display_name(filename)).lstrip("._-")
    stem, dot, suffix = name.rpartition(".")
    if dot and len(suffix) < _LONGEST // 2:
        name = f"{stem[: _LONGEST - len(suffix) - 1]}.{suffix}"
    name = name[:_LONGEST]
    while name.endswith(_PART):  # the end of the name of what is not finished
        name = name.removesuffix(_PART)
    return name or "audio"


def _uploads(folder: Path) -> Iterator[tuple[str, float]]:
    """All uploads, finished or not, with the time of their last change, in seconds since 1970."""
    try:
        inner = [entry for entry in os.scandir(folder) if _FOLDER.fullmatch(entry.name)]
    except FileNotFoundError:
        return
    for place in inner:
        for path in Path(place.path).iterdir():
            try:
                yield str(path), path.lstat().st_mtime
            except FileNotFoundError:
                continue


async def _undone(incoming: Incoming) -> None:
    try:
        await incoming.undo()
    except (OSError, DictographError):
        # The sweeper removes what is left; the client must hear of what went wrong first.
        log.warning("the remains of an upload could not be removed", exc_info=True)
