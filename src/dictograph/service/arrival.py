"""An upload while it arrives: counted, hashed, stored, and gone without a trace unless a job comes of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

from dictograph.blobs import Blobs, BlobWriter
from dictograph.errors import UploadTooLarge
from dictograph.job import StoredAudio

_BLOCK = 256 * 1024


class Hasher:
    """Takes an upload whose job exists already: only its digest is wanted, to compare it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    @classmethod
    async def opened(cls) -> BlobWriter:
        return cls()

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._hash.update, data)
        self.size += len(data)

    async def commit(self) -> StoredAudio:
        return StoredAudio("", self._hash.hexdigest(), self.size)

    async def abort(self) -> None:
        return None


def check_size(size: int, limit: int) -> None:
    """Raises UploadTooLarge when there are more bytes than the limit."""
    if size > limit:
        raise UploadTooLarge(f"The upload is larger than {limit} bytes, the most that this service takes.")


class Arrival:
    """The bytes of one upload on their way into storage. Nothing has its name before `commit`."""

    def __init__(self, open_writer: Callable[[], Awaitable[BlobWriter]], limit: int) -> None:
        self._open_writer = open_writer
        self._limit = limit
        self._writer: BlobWriter | None = None
        self._waiting = bytearray()
        self._committed = False
        self.size = 0

    async def write(self, data: bytes) -> None:
        """Take some bytes.

        Raises:
            UploadTooLarge: these are too many; none of them was stored.
            StorageFull, StorageUnavailable: there is no room or right.
        """
        self.size += len(data)
        check_size(self.size, self._limit)
        self._waiting += data
        if len(self._waiting) >= _BLOCK:
            await self._flush()

    async def commit(self) -> StoredAudio:
        await self._flush()
        assert self._writer is not None
        audio = await self._writer.commit()
        self._committed = True
        return audio

    async def undo(self, blobs: Blobs, name: str) -> None:
        """Remove what was stored, in whatever state it is."""
        if self._writer is None:
            return
        if not self._committed:
            await self._writer.abort()
        elif not isinstance(self._writer, Hasher):
            await blobs.delete(name)

    async def _flush(self) -> None:
        if self._writer is None:
            self._writer = await self._open_writer()
        if self._waiting:
            block, self._waiting = bytes(self._waiting), bytearray()
            await self._writer.write(block)
