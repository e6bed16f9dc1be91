"""Stored objects: a job's audio, in a folder.

An object's name is `JOB/ATTEMPT-WHAT`: an attempt that lost its job never overwrites the one that
came after it, and only the job's row says which object is current.
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

#: The folder of notes: what a storage says of itself. No job has such an id, and no object of ours such a name.
NOTES = "dictograph-storage"

#: A note that was being written so long ago (s) never will be.
_ABANDONED_S = 3600.0

#: So many objects are looked at in one go, away from the event loop.
_LOOKED_AT_ONCE = 500
#: The names of objects, finished or not; other files in the folder belong to somebody else.
_OBJECT = re.compile(r"[^/]+/[0-9a-f]+-(audio|upload|check)(\.part)?")


class BlobWriter(Protocol):
    """An object being written. Nothing has its name before `commit`."""

    size: int

    async def write(self, data: bytes) -> None: ...
    async def commit(self) -> StoredAudio: ...
    async def abort(self) -> None: ...


class Notes(Protocol):
    """What a storage says of itself: a few small objects beside the audio, each read and written as a whole."""

    async def notes(self) -> Mapping[str, bytes]:
        """Return all notes by name. Raises StorageUnavailable."""
        ...

    async def write_note(self, name: str, data: bytes) -> None:
        """Write a note, in place of an earlier one: readers see the one or the other, after a power cut too.

        Raises:
            StorageFull, StorageUnavailable.
        """
        ...

    async def remove_note(self, name: str) -> None:
        """Remove a note; one that is not there is no error. Raises StorageUnavailable."""
        ...


class Blobs(Notes, Protocol):
    """Where objects are kept."""

    async def create(self, name: str) -> BlobWriter:
        """Begin an object; StorageFull or StorageUnavailable when there is no room or right."""
        ...

    def local(self, name: str) -> AbstractAsyncContextManager[Path]:
        """A context manager that gives the object as a local file; NotFound when it is gone, StorageUnavailable."""
        ...

    async def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error."""
        ...

    def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        """The names of all objects, unfinished ones too, last written more than `seconds` ago, by the clock
        that stamps them: some at a time, for there may be millions. What lies there beside them, as in the upload
        folder of an older system, is none of ours."""
        ...

    async def is_empty(self) -> bool:
        """Whether nothing at all lies there beside notes, as where a disk is not mounted; raises StorageUnavailable."""
        ...

    async def check(self) -> None:
        """Write, read and remove a small object; raises what stands in the way."""
        ...

    async def check_room(self) -> None:
        """Whether there is room for another object; raises StorageFull, StorageUnavailable."""
        ...


def audio_name(job_id: str, attempt: int) -> str:
    """The name of a job's original bytes, as stored by `attempt` (0: on acceptance)."""
    return f"{job_id}/{attempt}-audio"


class FolderBlobs:
    """Objects as files in a folder. A committed object survives a power cut: file and folder are synced."""

    def __init__(self, folder: Path, reserve: int = 0) -> None:
        """`reserve` bytes of the disk are left free."""
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
                with contextlib.suppress(FileNotFoundError):  # somebody has just removed it
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
        except OSError:  # it holds other objects still, or is gone
            return

    def _ages(self) -> Iterator[tuple[str, float]]:
        """All objects, and how old they are (s). Holds no list of them, nor of their folders."""
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
    """The files of a folder; none, if it is gone, or is somebody else's and cannot be looked into."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.is_dir())


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove what processes that were killed left of their notes."""
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
        with contextlib.suppress(OSError):  # closing flushes, and there may be no room for that
            self._file.close()
        self._part.unlink(missing_ok=True)
        try:
            self._path.parent.rmdir()
        except OSError:  # it holds other objects still
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
