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
from dictograph.blobs.objects import Blobs, audio_name
from dictograph.errors import FetchTimeout, NotFound, SourceTooLarge, StorageUnavailable
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
    writer = await blobs.create(audio_name(job.id, lease.attempt))
    try:
        await _copy(job.source, writer.write, blobs, rules.for_job(job))
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
async def open_stored(blobs: Blobs, name: str) -> AsyncIterator[Path]:
    """Open stored audio as a local file.

    Raises StorageUnavailable when it is not there: this machine may see the storage later, or another machine sees it.
    """
    async with AsyncExitStack() as stack:
        try:
            path = await stack.enter_async_context(blobs.local(name))
        except NotFound as error:
            missing = HOLDS_NOTHING if await blobs.is_empty() else error.message
            raise StorageUnavailable(missing) from error
        yield path


async def _copy(source: Source, write: Write, blobs: Blobs, rules: SourceRules) -> None:
    match source.kind:
        case SourceKind.URL:
            await fetch(source.location, write, rules.limits)
        case SourceKind.OBJECT:
            async with open_stored(blobs, source.location) as path:
                with await asyncio.to_thread(path.open, "rb") as file:
                    await _copy_file(file, write, rules)
        case _:
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
