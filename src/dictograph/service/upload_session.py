"""One upload while it is received: it is counted, hashed and stored, and removed unless something needs it."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Self

from dictograph.blobs.protocol import Blobs, BlobWriter
from dictograph.errors import DictographError, EmptyUpload, UploadTooLarge
from dictograph.job import StoredAudio
from dictograph.service.shielded import run_to_completion

log = logging.getLogger(__name__)

_BLOCK = 256 * 1024


class UploadState(Enum):
    """The state of an upload's object. It decides whether the end of the session removes the object."""

    RECEIVING = auto()  # bytes are received; the object has no name yet
    STORED = auto()  # the object has its name, and no row names it
    IN_DOUBT = auto()  # its row is being written, or it is unknown whether it was written
    KEPT = auto()  # it stays


class UploadSession:
    """The bytes of one upload on their way to an object. The end of the context removes the object unless it is kept.

    An object in doubt stays: the pruner removes it if there is no row. `name` is that of the object, and `limit` the
    most bytes that are accepted.
    """

    def __init__(self, blobs: Blobs, name: str, limit: int, *, hash_only: bool = False) -> None:
        """Begin a session. With `hash_only` nothing is stored."""
        self.name = name
        self.size = 0
        self.state = UploadState.RECEIVING
        self._blobs = blobs
        self.limit = limit
        self._writer: BlobWriter | None = HashOnlyWriter() if hash_only else None
        self._waiting = bytearray()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await run_to_completion(self._discard())

    async def write(self, data: bytes) -> None:
        """Write some bytes.

        Raises:
            UploadTooLarge: these are too many; none of them was stored.
            StorageFull, StorageUnavailable: there is no space, or no permission.
        """
        self.size += len(data)
        check_size(self.size, self.limit)
        self._waiting += data
        if len(self._waiting) >= _BLOCK:
            await self._flush()

    async def store(self) -> StoredAudio:
        """Give the object its name after all bytes were written: its file and folder are synced.

        Raises:
            EmptyUpload: no bytes were written.
            StorageFull, StorageUnavailable.
        """
        if not self.size:
            raise EmptyUpload("The uploaded file is empty.", param="file")
        audio = await (await self._flush()).commit()
        self.state = UploadState.STORED
        return audio

    @contextmanager
    def writing_row(self) -> Iterator[None]:
        """Write the row that names the object within this context. From its beginning the object is in doubt, also
        if the context is interrupted (the loop closes). An error tells whether the row may have been written."""
        self.state = UploadState.IN_DOUBT
        try:
            yield
        except Exception as error:
            if not (isinstance(error, DictographError) and error.in_doubt):
                self.state = UploadState.STORED
            raise

    def decide(self, *, kept: bool) -> None:
        """Set whether the object stays, as soon as that is known."""
        self.state = UploadState.KEPT if kept else UploadState.STORED

    async def _flush(self) -> BlobWriter:
        if self._writer is None:
            self._writer = await self._blobs.create(self.name)
        if self._waiting:
            block, self._waiting = bytes(self._waiting), bytearray()
            await self._writer.write(block)
        return self._writer

    async def _discard(self) -> None:
        try:
            if self.state is UploadState.RECEIVING and self._writer is not None:
                await self._writer.abort()
            elif self.state is UploadState.STORED:
                await self._blobs.delete(self.name)
        except (OSError, DictographError):
            # The pruner removes objects that no row names. The client must get the first error, not this one.
            log.warning("the remains of an upload could not be removed", exc_info=True)


class HashOnlyWriter:
    """Hashes an upload whose job exists already: only the digest is needed, to compare it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._hash.update, data)
        self.size += len(data)

    async def commit(self) -> StoredAudio:
        return StoredAudio("", self._hash.hexdigest(), self.size)

    async def abort(self) -> None:
        return None


def check_size(size: int, limit: int) -> None:
    """Raise UploadTooLarge when there are more bytes than the limit."""
    if size > limit:
        raise UploadTooLarge(f"The upload is larger than {limit} bytes, the most that this service takes.")
