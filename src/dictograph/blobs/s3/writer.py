"""An object that is being uploaded into a bucket: a small one in one request, a larger one in parts, as it comes.

Memory is flat: what waits is at most one part here, and the parts that are on their way.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import obstore

from dictograph.blobs.s3.client import S3Client
from dictograph.blobs.s3.leftovers import abort_uploads
from dictograph.errors import StorageUnavailable
from dictograph.job import StoredAudio

log = logging.getLogger(__name__)

#: The size of a part: S3 takes 10,000 of them, which is 80 GiB here, and none but the last below 5 MiB.
PART_BYTES = 8 * 2**20

#: The parts that are on their way at once.
_AT_ONCE = 2

#: How long the remains of an upload may take to be removed (s); after that the pruner does it.
_ABORT_S = 5.0


class S3Writer:
    """A multipart upload that begins with the first whole part."""

    def __init__(self, client: S3Client, name: str, part_uploaded: Callable[[], None]) -> None:
        self.size = 0
        self._client = client
        self._name = name
        self._key = client.address.key(name)
        self._hash = hashlib.sha256()
        self._part_uploaded = part_uploaded
        self._waiting = bytearray()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self._sending: asyncio.Task[Any] | None = None

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._hash.update, data)
        self.size += len(data)
        if self._sending is not None:
            await self._hand_over(data)
            return
        self._waiting += data
        if len(self._waiting) >= PART_BYTES:
            self._sending = asyncio.create_task(self._send(), name=f"upload of {self._name}")
            first, self._waiting = bytes(self._waiting), bytearray()
            await self._hand_over(first)

    async def commit(self) -> StoredAudio:
        if self._sending is None:
            data = bytes(self._waiting)
            await self._client.bytes_call(obstore.put_async, self._key, data, use_multipart=False)
        else:
            await self._hand_over(None)
            await self._sending
        return StoredAudio(self._name, self._hash.hexdigest(), self.size)

    async def abort(self) -> None:
        if self._sending is None:
            return
        self._sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await self._sending
        try:
            async with asyncio.timeout(_ABORT_S):
                await abort_uploads(self._client, self._key)
        except (TimeoutError, StorageUnavailable) as error:
            log.info("parts of %s are left in the bucket; the pruner aborts them (%s)", self._name, error)

    async def _hand_over(self, piece: bytes | None) -> None:
        """Give a piece to the upload, when it has room for it. Raises the upload's error."""
        assert self._sending is not None
        putting = asyncio.create_task(self._pieces.put(piece))
        try:
            await asyncio.wait({putting, self._sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if self._sending.done():
            self._sending.result()

    async def _send(self) -> None:
        await self._client.bytes_call(
            obstore.put_async,
            self._key,
            self._handed_over(),
            use_multipart=True,
            chunk_size=PART_BYTES,
            max_concurrency=_AT_ONCE,
        )

    async def _handed_over(self) -> AsyncIterator[bytes]:
        """Yield the pieces. obstore asks for more only while fewer than `_AT_ONCE` parts are on their way."""
        told = given = 0
        while (piece := await self._pieces.get()) is not None:
            given += len(piece)
            yield piece
            if (sent := given // PART_BYTES - _AT_ONCE - 1) > told:
                told = sent
                self._part_uploaded()
