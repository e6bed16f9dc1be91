"""The notes of a storage in a folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from dictograph.blobs.folder_errors import storage_errors
from dictograph.blobs.folder_writer import make_place
from dictograph.blobs.protocol import NOTES, PART
from dictograph.runtime.fsync import sync_folder
from dictograph.runtime.private_files import private

#: The age (s) after which an unfinished note counts as abandoned.
_ABANDONED_S = 3600.0


class FolderNotes:
    """The notes beside the objects of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def notes(self) -> Mapping[str, bytes]:
        return await asyncio.to_thread(self._notes)

    async def write_note(self, name: str, data: bytes) -> None:
        await asyncio.to_thread(self._write_note, name, data)

    async def remove_note(self, name: str) -> None:
        with storage_errors():
            await asyncio.to_thread((self._folder / NOTES / name).unlink, missing_ok=True)

    def _notes(self) -> Mapping[str, bytes]:
        found = {}
        with storage_errors():
            for path in (self._folder / NOTES).glob("*.json"):
                with contextlib.suppress(FileNotFoundError):  # another process has just removed it
                    found[path.name] = path.read_bytes()
        return found

    def _write_note(self, name: str, data: bytes) -> None:
        folder = self._folder / NOTES
        part = folder / f"{name}.{uuid4().hex}{PART}"
        with storage_errors():
            group = make_place(self._folder, folder)
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


def _remove_abandoned(folder: Path, now: float) -> None:
    """Remove the unfinished notes of processes that were killed."""
    for part in folder.glob(f"*{PART}"):
        with contextlib.suppress(FileNotFoundError):
            if now - part.lstat().st_mtime > _ABANDONED_S:
                part.unlink()
