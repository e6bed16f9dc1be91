"""Stored objects of a bucket in a backup, which is a folder: downloaded once and checked, and uploaded again."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

from dictograph.backup.objects import Damaged
from dictograph.blobs.kinds import open_blobs
from dictograph.blobs.protocol import Blobs
from dictograph.runtime.fsync import sync_file, sync_folder
from dictograph.runtime.private_files import make_private_folder, private
from dictograph.settings.model import Settings

_CHUNK = 2**20


def bucket_of(settings: Settings) -> Blobs:
    """Return the storage of the settings."""
    return open_blobs(settings.objects_url, settings.storage_options)


async def download(blobs: Blobs, name: str, target: Path, size: int, sha256: str | None, group: int) -> bool:
    """Download an object that is not in the backup yet. Return whether it was downloaded.

    The copy gets its name only when it is complete. `group` are the rights of its group, as bits of a mode.

    Raises NotFound if the object is gone, Damaged if its bytes do not match the hash (None: not known),
    StorageUnavailable.
    """
    if await asyncio.to_thread(_is_there, target, size):
        return False
    part = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    make_private_folder(target.parent, group)
    try:
        with open(part, "wb", opener=private(group)) as copy:  # noqa: ASYNC230 - a command: nothing else is in its loop
            async for piece in blobs.open_range(name, 0, size):
                digest.update(piece)
                await asyncio.to_thread(copy.write, piece)
        if not await asyncio.to_thread(_is_there, part, size) or (sha256 is not None and digest.hexdigest() != sha256):
            raise Damaged(name)
        await asyncio.to_thread(_finish, part, target)
    finally:
        part.unlink(missing_ok=True)
    return True


async def upload(blobs: Blobs, name: str, source: Path, size: int) -> bool:
    """Upload an object that is not in the storage yet. Return whether it was uploaded.

    Raises StorageFull, StorageUnavailable.
    """
    head = await blobs.head(name)
    if head is not None and head.size == size:
        return False
    writer = await blobs.create(name)
    try:
        with source.open("rb") as file:
            while piece := await asyncio.to_thread(file.read, _CHUNK):
                await writer.write(piece)
        await writer.commit()
    except BaseException:
        await writer.abort()
        raise
    return True


def _is_there(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _finish(part: Path, target: Path) -> None:
    sync_file(part)
    os.replace(part, target)
    sync_folder(target.parent)
