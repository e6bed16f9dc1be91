"""Stored objects as files in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path

from dictograph.blobs.folder_errors import storage_errors
from dictograph.blobs.folder_notes import FolderNotes
from dictograph.blobs.folder_writer import FileWriter, make_place, remove_if_empty, sync_place
from dictograph.blobs.protocol import NOTES, OBJECT, PART, BlobWriter, DirectUpload, Head, LocalFile
from dictograph.errors import DictographError, NotFound, SourceChanged
from dictograph.job import StoredAudio
from dictograph.runtime.disk import check_room, time_of_files
from dictograph.runtime.fsync import sync_file
from dictograph.runtime.private_files import make_private_folder, private

#: The number of objects that are examined at once, outside the event loop.
_LOOKED_AT_ONCE = 500

#: The bytes that a ranged read takes at once.
_PIECE = 2**20

_GONE = "The stored audio of this job is gone."

#: The errors of file systems that have no hard links, or no more of them for one file.
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV)


class FolderBlobs(FolderNotes):
    """Objects as files in a folder. A committed object survives a power cut: file and folder are synced."""

    def __init__(self, folder: Path, reserve: int = 0) -> None:
        """Leave `reserve` bytes of the disk free."""
        super().__init__(folder)
        self._reserve = reserve

    async def prepare(self) -> None:
        """Do nothing: the folder is made by the first object."""

    async def create(self, name: str) -> BlobWriter:
        return await asyncio.to_thread(FileWriter, self._folder, name, self._reserve)

    async def head(self, location: str) -> Head | None:
        return await asyncio.to_thread(self._head, self._folder / location)

    async def open_range(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        with storage_errors():
            try:
                file = await asyncio.to_thread((self._folder / name).open, "rb")
            except FileNotFoundError as error:
                raise NotFound(_GONE) from error
            with file:
                file.seek(start)
                while start < end and (piece := await asyncio.to_thread(file.read, min(_PIECE, end - start))):
                    start += len(piece)
                    yield piece

    async def copy(self, location: str, name: str, version: str) -> StoredAudio:
        """See Blobs. Objects never change, so the copy is another name of the same file, where links exist."""
        return await asyncio.to_thread(self._copy, location, name, version)

    @asynccontextmanager
    async def local(self, audio: StoredAudio, scratch: Path) -> AsyncIterator[LocalFile]:  # noqa: ARG002 - it is here
        """See Blobs. The file is read where it lies, so its bytes are not compared: they were synced when stored."""
        path = self._folder / audio.name
        if await self.head(audio.name) is None:
            raise NotFound(_GONE)
        yield LocalFile(path, audio.sha256 if audio.sha256 else await asyncio.to_thread(_sha256, path))

    async def offer_upload(self, name: str, content_type: str, size: int, lifetime: float) -> DirectUpload | None:  # noqa: ARG002 - of the protocol
        return None

    def find(self, url: str) -> str | None:  # noqa: ARG002 - of the protocol
        return None

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self._delete, name)

    async def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        ages = self._ages()
        while some := await asyncio.to_thread(lambda: list(islice(ages, _LOOKED_AT_ONCE))):
            if names := [name for name, age in some if age > seconds]:
                yield names

    async def is_empty(self) -> bool:
        return await asyncio.to_thread(self._is_empty)

    async def check(self) -> None:
        writer = await self.create(f"check/{os.getpid()}-check")
        try:
            await writer.write(b"dictograph")
            stored = await writer.commit()
        except DictographError:
            await writer.abort()
            raise
        await self.delete(stored.name)

    async def lacking(self) -> list[str] | None:
        return []

    async def check_room(self) -> None:
        await asyncio.to_thread(self._check_room)

    def _check_room(self) -> None:
        with storage_errors():
            make_private_folder(self._folder)
            check_room(self._folder, 1, self._reserve)

    def _head(self, path: Path) -> Head | None:
        with storage_errors():
            if not path.is_file():
                return None
            with contextlib.suppress(FileNotFoundError):
                return _head_of(path)
        return None

    def _copy(self, location: str, name: str, version: str) -> StoredAudio:
        source, target = self._folder / location, self._folder / name
        with storage_errors():
            group = make_place(self._folder, target.parent)
            target.unlink(missing_ok=True)
            try:
                _link_or_copy(source, target, group)
            except FileNotFoundError as error:
                remove_if_empty(target.parent)
                raise NotFound(_GONE) from error
            sync_place(target)
            if _head_of(source).version != version:
                self._delete(name)
                raise SourceChanged("The file was changed while it was copied; try again.")
            return StoredAudio(name, None, target.stat().st_size)

    def _is_empty(self) -> bool:
        with storage_errors(), contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as found:
            return all(entry.name == NOTES for entry in found)
        return True

    def _delete(self, name: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        remove_if_empty(path.parent)

    def _ages(self) -> Iterator[tuple[str, float]]:
        """Yield all objects with their age (s). Keeps no list of them or of their folders in memory."""
        if not self._folder.is_dir():
            return
        now = time_of_files(self._folder)
        for folder in _folders(self._folder):
            for file in _files(folder):
                name = f"{folder.name}/{file.name}"
                if OBJECT.fullmatch(name):
                    with contextlib.suppress(FileNotFoundError):
                        yield name, now - file.stat().st_mtime


def _head_of(path: Path) -> Head:
    found = path.stat()
    return Head(found.st_size, f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}")


def _link_or_copy(source: Path, target: Path, group: int) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        part = target.with_name(target.name + PART)
        with source.open("rb") as original, open(part, "wb", opener=private(group)) as copy:
            shutil.copyfileobj(original, copy, _PIECE)
        sync_file(part)
        part.rename(target)


def _sha256(path: Path) -> str:
    with storage_errors(), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.is_dir(follow_symlinks=False))


def _files(folder: os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the files of a folder; none if it is gone, or belongs to another user and cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.is_dir())
