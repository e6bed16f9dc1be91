"""An object that is being written into a folder. A committed one survives a power cut: file and folder are synced."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from dictograph.blobs.folder_errors import storage_errors
from dictograph.blobs.protocol import PART
from dictograph.job import StoredAudio
from dictograph.runtime.disk import check_room
from dictograph.runtime.fsync import sync_folder
from dictograph.runtime.private_files import group_rights, make_private_folder, private


class FileWriter:
    """A file beside its later name."""

    def __init__(self, folder: Path, name: str, reserve: int) -> None:
        """Begin the file. `reserve` bytes of the disk are left free. Raises StorageFull, StorageUnavailable."""
        self._name, self._path, self._reserve = name, folder / name, reserve
        self._part = self._path.with_name(self._path.name + PART)
        self._hash = hashlib.sha256()
        self.size = 0
        with storage_errors():
            group = make_place(folder, self._path.parent)
            self._file: BinaryIO = open(self._part, "wb", opener=private(group))  # noqa: SIM115 - closed by commit or abort

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    async def commit(self) -> StoredAudio:
        return await asyncio.to_thread(self._commit)

    async def abort(self) -> None:
        await asyncio.to_thread(self._abort)

    def _write(self, data: bytes) -> None:
        with storage_errors():
            check_room(self._file.fileno(), len(data), self._reserve)
            self._file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def _commit(self) -> StoredAudio:
        with storage_errors():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self._path)
            sync_place(self._path)
        return StoredAudio(self._name, self._hash.hexdigest(), self.size)

    def _abort(self) -> None:
        with contextlib.suppress(OSError):  # closing flushes, and there may be no space for that
            self._file.close()
        self._part.unlink(missing_ok=True)
        remove_if_empty(self._path.parent)


def make_place(folder: Path, inner: Path) -> int:
    """Make the storage's folder and one in it; return the rights of its group, as bits of a mode."""
    make_private_folder(folder)
    group = group_rights(folder)
    make_private_folder(inner, group)
    return group


def sync_place(path: Path) -> None:
    """Make an object's name durable: sync its folder and the one above."""
    for folder in (path.parent, path.parent.parent):
        sync_folder(folder)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder, unless it still holds other objects or is gone."""
    with contextlib.suppress(OSError):
        folder.rmdir()
