"""Stored objects in a bucket."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import obstore

from dictograph.blobs.folder_errors import storage_errors
from dictograph.blobs.options import StorageOptions
from dictograph.blobs.protocol import NOTES, PART, BlobWriter, DirectUpload, Head, LocalFile
from dictograph.blobs.s3 import bucket, copying, listing, signing
from dictograph.blobs.s3.address import BucketAddress, find_key
from dictograph.blobs.s3.client import S3Client
from dictograph.blobs.s3.leftovers import abort_uploads
from dictograph.blobs.s3.writer import S3Writer
from dictograph.errors import NotFound, StorageOutage, StorageUnavailable
from dictograph.job import StoredAudio
from dictograph.runtime.disk import check_room
from dictograph.runtime.private_files import make_private_folder, private

#: The bytes of one ranged request, and how many of them are on their way at once.
_RANGE = 4 * 2**20
_AT_ONCE = 3

#: How long a bucket that answered counts as there (s): each look is a request that somebody pays for.
_SEEN_S = 10.0

_GONE = "The stored audio of this job is gone."


class S3Blobs:
    """Objects in a bucket, under a prefix. An object exists when the server has confirmed all of it."""

    def __init__(self, address: BucketAddress, options: StorageOptions) -> None:
        self._client = S3Client(address, options.s3)
        self._reserve = options.reserve
        self._part_uploaded = options.part_uploaded
        self._prepared = False
        self._seen = -_SEEN_S
        self._held = -_SEEN_S

    async def prepare(self) -> None:
        if not self._prepared:
            await bucket.make_if_missing(self._client)
            self._prepared = True

    async def create(self, name: str) -> BlobWriter:
        await self.prepare()
        return S3Writer(self._client, name, self._part_uploaded)

    async def head(self, location: str) -> Head | None:
        return await copying.head(self._client, self._client.address.key(location))

    async def open_range(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        head = await self._head(name)
        bounds = [(first, min(first + _RANGE, end, head.size)) for first in range(start, min(end, head.size), _RANGE)]
        for index in range(0, len(bounds), _AT_ONCE):
            group = bounds[index : index + _AT_ONCE]
            for piece in await asyncio.gather(*(self._range(name, first, last) for first, last in group)):
                yield piece

    async def copy(self, location: str, name: str, version: str) -> StoredAudio:
        address = self._client.address
        size = await copying.copy(self._client, address.key(location), address.key(name), version)
        return StoredAudio(name, None, size)

    @asynccontextmanager
    async def local(self, audio: StoredAudio, scratch: Path) -> AsyncIterator[LocalFile]:
        head = await self._head(audio.name)
        path = scratch / f"{uuid4().hex}.object"
        try:
            file = await asyncio.to_thread(_reserved, path, head.size, self._reserve)
            with file:
                digest = await self._download(audio.name, head.size, file)
            if audio.sha256 is not None and digest != audio.sha256:
                raise StorageUnavailable("The storage gave other bytes than those that were stored.")
            yield LocalFile(path, digest)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def offer_upload(self, name: str, content_type: str, size: int, lifetime: float) -> DirectUpload | None:
        await self.prepare()
        return await signing.offer(self._client, self._client.address.key(name), content_type, size, lifetime)

    def find(self, url: str) -> str | None:
        address, options = self._client.address, self._client.options
        endpoints = tuple(filter(None, (options.endpoint, options.public_endpoint)))
        key = find_key(address.bucket, endpoints, url)
        return None if key is None else address.location(key)

    async def delete(self, name: str) -> None:
        if name.endswith(PART):
            await abort_uploads(self._client, self._client.address.key(name.removesuffix(PART)))
        else:
            await self._client.request("delete_object", Key=self._client.address.key(name))

    async def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        async for names in listing.older_than(self._client, seconds):
            yield names

    async def is_empty(self) -> bool:
        """See Blobs. A bucket that has just held something is not asked again."""
        if self._is_fresh(self._held):
            return False
        empty = await listing.is_empty(self._client)
        self._held = -_SEEN_S if empty else time.monotonic()
        return empty

    async def check(self) -> None:
        await self.prepare()
        name = f"check/{os.getpid()}-check"
        writer = await self.create(name)
        await writer.write(b"dictograph")
        await writer.commit()
        async for _ in self.open_range(name, 0, 1):
            pass
        await self.delete(name)

    async def lacking(self) -> list[str] | None:
        return await bucket.lacking(self._client) if await bucket.exists(self._client) else None

    async def check_room(self) -> None:
        """See Blobs. A bucket that has just answered is not asked again."""
        if self._is_fresh(self._seen):
            return
        await self.prepare()
        await bucket.must_exist(self._client)
        self._seen = time.monotonic()

    async def notes(self) -> Mapping[str, bytes]:
        found: dict[str, bytes] = {}
        folder = self._note("")
        try:
            async for page in listing.pages(self._client, folder):
                for one in page.get("Contents", []):
                    if (data := await self._read_note(one["Key"])) is not None:
                        found[one["Key"].removeprefix(folder)] = data
        except StorageOutage as error:
            if self._prepared or "(NoSuchBucket)" not in error.message:
                raise
        return found

    async def write_note(self, name: str, data: bytes) -> None:
        await self.prepare()
        await self._client.bytes_call(obstore.put_async, self._note(name), data, use_multipart=False)

    async def remove_note(self, name: str) -> None:
        await self._client.request("delete_object", Key=self._note(name))

    async def _read_note(self, key: str) -> bytes | None:
        try:
            found = await self._client.bytes_call(obstore.get_async, key)
            return bytes(await found.bytes_async())
        except FileNotFoundError:  # another process has just removed it
            return None

    def _is_fresh(self, moment: float) -> bool:
        return time.monotonic() - moment < _SEEN_S and not self._client.failed_since(moment)

    def _note(self, name: str) -> str:
        return self._client.address.key(f"{NOTES}/{name}")

    async def _head(self, name: str) -> Head:
        if (head := await self.head(name)) is None:
            raise NotFound(_GONE)
        return head

    async def _range(self, name: str, start: int, end: int) -> bytes:
        try:
            key = self._client.address.key(name)
            return bytes(await self._client.bytes_call(obstore.get_range_async, key, start=start, end=end))
        except FileNotFoundError as error:
            raise NotFound(_GONE) from error

    async def _download(self, name: str, size: int, file: BinaryIO) -> str:
        digest = hashlib.sha256()

        def keep(piece: bytes) -> None:
            digest.update(piece)
            with storage_errors():
                file.write(piece)

        async for piece in self.open_range(name, 0, size):
            await asyncio.to_thread(keep, piece)
        return digest.hexdigest()


def _reserved(path: Path, size: int, reserve: int) -> BinaryIO:
    """Return a new file with room for `size` bytes. Raises StorageFull, StorageUnavailable."""
    with storage_errors():
        make_private_folder(path.parent)
        check_room(path.parent, size, reserve)
        file = open(path, "xb", opener=private(0))  # noqa: SIM115 - the caller closes it
        try:
            if size:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            file.close()
            raise
        return file
