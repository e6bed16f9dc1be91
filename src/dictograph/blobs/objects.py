"""Stored objects: a job's audio, in a folder.

An object's name is `JOB/ATTEMPT-WHAT`. So an attempt that lost its job never overwrites an object of a later attempt.
Only the job's row says which object is current.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from dictograph.errors import DictographError, NotFound, StorageFull, StorageUnavailable
from dictograph.job import StoredAudio
from dictograph.runtime.disk import FULL, check_room, time_of_files
from dictograph.runtime.fsync import sync_folder
from dictograph.runtime.private_files import group_rights, make_private_folder, private

_PART = ".part"

#: The folder of notes, which describe the storage itself. No job has this id, and no object of ours has this name.
NOTES = "dictograph-storage"

#: The age (s) after which an unfinished note counts as abandoned.
_ABANDONED_S = 3600.0

#: The number of objects that are examined at once, outside the event loop.
_LOOKED_AT_ONCE = 500
#: The names of objects, finished or not. Other files in the folder are not Dictograph's.
_OBJECT = re.compile(r"[^/]+/[0-9a-f]+-(audio|upload|check)(\.part)?")


class BlobWriter(Protocol):
    """An object that is being written. Its name does not exist before `commit`."""

    size: int

    async def write(self, data: bytes) -> None: ...
    async def commit(self) -> StoredAudio: ...
    async def abort(self) -> None: ...


class Notes(Protocol):
    """Notes that describe a storage: a few small objects beside the audio, each read and written as a whole."""

    async def notes(self) -> Mapping[str, bytes]:
        """Return all notes by name. Raises StorageUnavailable."""
        ...

    async def write_note(self, name: str, data: bytes) -> None:
        """Write a note in place of an earlier one. Readers see either the old or the new note, after a power cut too.

        Raises:
            StorageFull, StorageUnavailable.
        """
        ...

    async def remove_note(self, name: str) -> None:
        """Remove a note; a missing one is no error. Raises StorageUnavailable."""
        ...


class Blobs(Notes, Protocol):
    """Where objects are kept."""

    async def create(self, name: str) -> BlobWriter:
        """Begin an object. Raises StorageFull without space, StorageUnavailable without the right to write."""
        ...

    def local(self, name: str) -> AbstractAsyncContextManager[Path]:
        """Return a context manager that yields the object as a local file.

        Raises:
            NotFound: the object does not exist.
            StorageUnavailable.
        """
        ...

    async def delete(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        ...

    def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        """Yield the names of all objects, unfinished ones too, that were last written more than `seconds` ago.

        The age is by the clock that stamps the objects. Names come in batches, since there may be millions. Other
        files in the same place, as in the upload folder of an older system, are not Dictograph's.
        """
        ...

    async def is_empty(self) -> bool:
        """Return whether the storage holds nothing but notes, as when a disk is not mounted.

        Raises:
            StorageUnavailable.
        """
        ...

    async def check(self) -> None:
        """Write, read and remove a small object. Raises the error that prevents it."""
        ...

    async def check_room(self) -> None:
        """Check that there is space for another object. Raises StorageFull, StorageUnavailable."""
        ...


def audio_name(job_id: str, attempt: int) -> str:
    """Return the name of a job's original bytes, as stored by `attempt` (0: on acceptance)."""
    return f"{job_id}/{attempt}-audio"


class FolderBlobs:
    """Objects as files in a folder. A committed object survives a power cut: file and folder are synced."""

    def __init__(self, folder: Path, reserve: int = 0) -> None:
        """Leave `reserve` bytes of the disk free."""
        self._folder = folder
        self._reserve = reserve

    async def create(self, name: str) -> BlobWriter:
        return await asyncio.to_thread(_FileWriter, self._folder, name, self._reserve)

    @asynccontextmanager
    async def local(self, name: str) -> AsyncIterator[Path]:
        path = self._folder / name
        if not await asyncio.to_thread(self._is_file, path):
            raise NotFound("The stored audio of this job is gone.")
        yield path

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

    async def check_room(self) -> None:
        await asyncio.to_thread(self._check_room)

    async def notes(self) -> Mapping[str, bytes]:
        return await asyncio.to_thread(self._notes)

    async def write_note(self, name: str, data: bytes) -> None:
        await asyncio.to_thread(self._write_note, name, data)

    async def remove_note(self, name: str) -> None:
        with _storage_errors():
            await asyncio.to_thread((self._folder / NOTES / name).unlink, missing_ok=True)

    def _notes(self) -> Mapping[str, bytes]:
        found = {}
        with _storage_errors():
            for path in (self._folder / NOTES).glob("*.json"):
                with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                    found[path.name] = path.read_bytes()
        return found

    def _write_note(self, name: str, data: bytes) -> None:
        folder = self._folder / NOTES
        part = folder / f"{name}.{uuid4().hex}{_PART}"
        with _storage_errors():
            make_private_folder(self._folder)
            group = group_rights(self._folder)
            make_private_folder(folder, group)
            try:
                with open(part, "xb", opener=private(group)) as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                    now = os.fstat(file.fileno()).st_mtime
                part.replace(folder / name)
            finally:
                part.unlink(missing_ok=True)
            for place in (folder, self._folder):
                sync_folder(place)
            _remove_abandoned(folder, now)

    def _check_room(self) -> None:
        with _storage_errors():
            make_private_folder(self._folder)
            check_room(self._folder, 1, self._reserve)

    def _is_file(self, path: Path) -> bool:
        with _storage_errors():
            return path.is_file()

    def _is_empty(self) -> bool:
        with _storage_errors(), contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as found:
            return all(entry.name == NOTES for entry in found)
        return True

    def _delete(self, name: str) -> None:
        path = self._folder / name
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:  # it still holds other objects, or is gone
            return

    def _ages(self) -> Iterator[tuple[str, float]]:
        """Yield all objects with their age (s). Keeps no list of them or of their folders in memory."""
        if not self._folder.is_dir():
            return
        now = time_of_files(self._folder)
        for folder in _folders(self._folder):
            for file in _files(folder):
                name = f"{folder.name}/{file.name}"
                if _OBJECT.fullmatch(name):
                    with contextlib.suppress(FileNotFoundError):
                        yield name, now - file.stat().st_mtime


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if entry.is_dir(follow_symlinks=False))


def _files(folder: os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the files of a folder; none if it is gone, or belongs to another user and cannot be read."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.is_dir())


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove the unfinished notes of processes that were killed."""
    for part in folder.glob(f"*{_PART}"):
        with contextlib.suppress(FileNotFoundError):
            if now - part.lstat().st_mtime > _ABANDONED_S:
                part.unlink()


class _FileWriter:
    def __init__(self, folder: Path, name: str, reserve: int) -> None:
        self._name, self._path, self._reserve = name, folder / name, reserve
        self._part = self._path.with_name(self._path.name + _PART)
        self._hash = hashlib.sha256()
        self.size = 0
        with _storage_errors():
            make_private_folder(folder)
            group = group_rights(folder)
            make_private_folder(self._path.parent, group)
            self._file: BinaryIO = open(self._part, "wb", opener=private(group))  # noqa: SIM115 - closed by commit or abort

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    async def commit(self) -> StoredAudio:
        return await asyncio.to_thread(self._commit)

    async def abort(self) -> None:
        await asyncio.to_thread(self._abort)

    def _write(self, data: bytes) -> None:
        with _storage_errors():
            check_room(self._file.fileno(), len(data), self._reserve)
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def _commit(self) -> StoredAudio:
        with _storage_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self._path)
            for folder in (self._path.parent, self._path.parent.parent):
                sync_folder(folder)
        return StoredAudio(self._name, self._hash.hexdigest(), self.size)

    def _abort(self) -> None:
        with contextlib.suppress(OSError):  # closing flushes, and there may be no space for that
            self._file.close()
        self._part.unlink(missing_ok=True)
        try:
            self._path.parent.rmdir()
        except OSError:  # it still holds other objects
            return


class _storage_errors:  # noqa: N801 - reads as a statement
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise _storage_error(error) from error


def _storage_error(error: OSError) -> DictographError:
    if error.errno in FULL:
        return StorageFull("The storage is full. Free some space, or remove old jobs, and try again.")
    return StorageUnavailable(f"The storage cannot be used: {error.strerror or error}.")
