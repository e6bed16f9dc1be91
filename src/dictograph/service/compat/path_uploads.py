"""Files that clients of the path contract upload. The answer has the path by which they name a file afterwards."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import Notes
from dictograph.runtime.disk import time_of_files
from dictograph.service.naming import display_name
from dictograph.service.shielded import run_to_completion
from dictograph.service.upload_session import UploadSession
from dictograph.settings.model import Settings

#: The folder of one upload. Other files in the folder of uploads are not ours, and are never touched.
_FOLDER = re.compile(r"[0-9a-f]{32}")

_PART = ".part"

#: A name must need no quoting in a URL's query or a shell. The original name is not kept.
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80


class PathUploads:
    """The folder of uploads. Each upload has its own folder there."""

    def __init__(self, folder: Path, reserve: int, limit: int) -> None:
        """Open the folder. `reserve` bytes of the disk are left free; an upload has at most `limit` bytes."""
        self.folder = folder
        self._blobs = FolderBlobs(folder, reserve)
        self.limit = limit

    @classmethod
    def of(cls, settings: Settings) -> PathUploads:
        """Build it from the settings."""
        return cls(settings.path_uploads, settings.storage_reserve, settings.max_upload)

    @property
    def notes(self) -> Notes:
        """Return the notes of the folder: the marker of the database that it belongs to."""
        return self._blobs

    def begin_upload(self, filename: str) -> UploadSession:
        """Begin an upload of a file with the client's name for it. No client can name it before `keep`. If it was not
        kept, the end of the context removes it."""
        return UploadSession(self._blobs, f"{uuid4().hex}/{safe_name(filename)}", self.limit)

    async def keep(self, upload: UploadSession) -> str:
        """Store the upload durably after all bytes were written, and return its path.

        Raises:
            EmptyUpload: no bytes were written.
            StorageFull, StorageUnavailable.
        """
        audio = await run_to_completion(upload.store())
        upload.decide(kept=True)
        return str(self.folder / audio.name)

    async def older_than(self, kept_s: float, unfinished_s: float) -> list[str]:
        """Return the paths of uploads that ended more than `kept_s` seconds ago (0: none of these), and of unfinished
        uploads without a write for `unfinished_s` seconds. Times are by the clock of the file system."""
        return await asyncio.to_thread(lambda: list(self._old(kept_s, unfinished_s)))

    async def remove(self, path: str) -> None:
        """Remove an upload. A missing upload is no error."""
        await self._blobs.delete(str(Path(path).relative_to(self.folder)))

    def _old(self, kept_s: float, unfinished_s: float) -> Iterator[str]:
        if not self.folder.is_dir():
            return
        now = time_of_files(self.folder)
        for path, changed in _uploads(self.folder):
            seconds = unfinished_s if path.endswith(_PART) else kept_s
            if seconds and now - changed > seconds:
                yield path


def safe_name(filename: str) -> str:
    """Return a name for the file that needs no quoting anywhere, and resembles the client's name for it."""
    name = _UNSAFE.sub("_", display_name(filename)).lstrip("._-")
    stem, dot, suffix = name.rpartition(".")
    if dot and len(suffix) < _LONGEST // 2:
        name = f"{stem[: _LONGEST - len(suffix) - 1]}.{suffix}"
    name = name[:_LONGEST]
    while name.endswith(_PART):  # this suffix marks an unfinished upload
        name = name.removesuffix(_PART)
    return name or "audio"


def _uploads(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield all uploads, finished or not, with the time of their last change, in seconds since 1970."""
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
