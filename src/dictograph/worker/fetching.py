"""Import a job's bytes into storage: a URL is downloaded, a path is copied, an upload is there already.

Without a service a path is not copied: the file is read in place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from dictograph.audio.local_path import open_allowed
from dictograph.audio.source_file import SourceFile
from dictograph.blobs.protocol import Blobs, LocalFile, audio_name
from dictograph.errors import FetchTimeout, NotFound, SourceNotFound, SourceTooLarge, StorageUnavailable
from dictograph.job import Job, Lease, Source, SourceKind, StoredAudio
from dictograph.net.fetch import FetchLimits, fetch

_CHUNK = 2**20

HOLDS_NOTHING = "The storage holds nothing, though audio of jobs was stored there: is it mounted?"

Write = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SourceRules:
    """From where audio may be imported, and how much of it; `in_place`: whether files of paths are read in place."""

    limits: FetchLimits
    path_roots: Sequence[Path]
    in_place: bool = False

    def for_job(self, job: Job) -> SourceRules:
        """Return these rules, with no more bytes and seconds than the job's contract allows."""
        most, seconds = self.limits.max_bytes, self.limits.timeout
        limits = replace(
            self.limits,
            max_bytes=min(most, job.limits.max_bytes or most),
            timeout=min(seconds, job.limits.download_timeout or seconds),
        )
        return replace(self, limits=limits)


async def import_audio(job: Job, lease: Lease, blobs: Blobs, rules: SourceRules) -> StoredAudio:
    """Store the bytes of the job's source, under a name of this attempt.

    Raises a FetchError, PathNotAllowed or a storage error; then nothing is left in storage.
    """
    name = audio_name(job.id, lease.attempt)
    rules = rules.for_job(job)
    if job.source.kind is SourceKind.OBJECT:
        return await _copy_object(job.source.location, name, blobs, rules)
    if job.source.kind is SourceKind.URL and (location := blobs.find(job.source.location)) is not None:
        return await _copy_named(location, name, blobs, rules)
    writer = await blobs.create(name)
    try:
        await _copy(job.source, writer.write, rules)
        return await writer.commit()
    except BaseException:
        await asyncio.shield(writer.abort())
        raise


@asynccontextmanager
async def opened(job: Job, rules: SourceRules) -> AsyncIterator[SourceFile]:
    """Open the file that the job's path names, to be read in place.

    Raises PathNotAllowed, SourceTooLarge, FetchTimeout.
    """
    rules = rules.for_job(job)
    async with _in_time(rules.limits.timeout):
        file = await asyncio.to_thread(open_allowed, job.source.location, rules.path_roots)
    with file:
        source = SourceFile.of(file.fileno())
        _check_size(source.size, rules)
        yield source


@asynccontextmanager
async def open_stored(blobs: Blobs, audio: StoredAudio, scratch: Path) -> AsyncIterator[LocalFile]:
    """Open stored audio as a local file. A copy of it is put into `scratch`.

    Raises StorageUnavailable when it is not there: this machine may see the storage later, or another machine sees it.
    """
    async with AsyncExitStack() as stack:
        try:
            file = await stack.enter_async_context(blobs.local(audio, scratch))
        except NotFound as error:
            raise await _missing(blobs, error.message) from error
        yield file


async def _copy_object(name: str, target: str, blobs: Blobs, rules: SourceRules) -> StoredAudio:
    """Copy an object that was uploaded before its job."""
    if (head := await blobs.head(name)) is None:
        raise await _missing(blobs, "The stored audio of this job is gone.")
    _check_size(head.size, rules)
    return await blobs.copy(name, target, head.version)


async def _copy_named(location: str, target: str, blobs: Blobs, rules: SourceRules) -> StoredAudio:
    """Copy an object of the storage that a URL names."""
    if (head := await blobs.head(location)) is None:
        raise SourceNotFound("There is no such object in the storage.")
    _check_size(head.size, rules)
    try:
        return await blobs.copy(location, target, head.version)
    except NotFound as error:
        raise SourceNotFound("There is no such object in the storage any more.") from error


async def _missing(blobs: Blobs, message: str) -> StorageUnavailable:
    return StorageUnavailable(HOLDS_NOTHING if await blobs.is_empty() else message)


async def _copy(source: Source, write: Write, rules: SourceRules) -> None:
    if source.kind is SourceKind.URL:
        await fetch(source.location, write, rules.limits)
        return
    async with _in_time(rules.limits.timeout):
        with await asyncio.to_thread(open_allowed, source.location, rules.path_roots) as file:
            await _copy_file(file, write, rules)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """Limit the time to read a file: it may be on a disk of another machine, which may not answer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise FetchTimeout(f"The file could not be read within {seconds:g} s.") from error


async def _copy_file(file: BinaryIO, write: Write, rules: SourceRules) -> None:
    size = 0
    while chunk := await asyncio.to_thread(file.read, _CHUNK):
        size += len(chunk)
        _check_size(size, rules)
        await write(chunk)


def _check_size(size: int, rules: SourceRules) -> None:
    if size > rules.limits.max_bytes:
        raise SourceTooLarge(f"The file is larger than the limit of {rules.limits.max_bytes} bytes.")
