"""Stored objects: a job's audio. The protocol of every storage, and the names of objects.

An object's name is `JOB/ATTEMPT-WHAT`. So an attempt that lost its job never overwrites an object of a later attempt.
Only the job's row says which object is current.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dictograph.job import StoredAudio

#: The suffix of an unfinished object.
PART = ".part"

#: The folder of notes, which describe the storage itself. No job has this id, and no object of ours has this name.
NOTES = "dictograph-storage"

#: The names of objects, finished or not. What else lies in the same place is not Dictograph's.
OBJECT = re.compile(r"[^/]+/[0-9a-f]+-(audio|upload|check)(\.part)?")

#: Names of an upload that came before its job.
UPLOAD = re.compile(r"([^/]+)/[0-9a-f]+-upload")


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an object without reading it: its size in bytes, and a text that differs between versions."""

    size: int
    version: str


@dataclass(frozen=True, slots=True)
class LocalFile:
    """An object as a file of this machine, with the SHA-256 of its bytes in hexadecimal."""

    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class DirectUpload:
    """Where a client may upload an object without this service in between.

    Args:
        url: takes one PUT with exactly the announced type and length.
        form_url: takes a POST of a form with `fields`, the file last.
    """

    url: str
    form_url: str
    fields: Mapping[str, str] = field(default_factory=dict)


class BlobWriter(Protocol):
    """An object that is being written. Its name does not exist before `commit`."""

    size: int

    async def write(self, data: bytes) -> None: ...
    async def commit(self) -> StoredAudio: ...
    async def abort(self) -> None: ...


class Notes(Protocol):
    """Notes that describe a storage: a few small objects beside the audio, each read and written as a whole."""

    async def notes(self) -> Mapping[str, bytes]:
        """Return all notes by name. Raises StorageUnavailable."""
        ...

    async def write_note(self, name: str, data: bytes) -> None:
        """Write a note in place of an earlier one. Readers see either the old or the new note, after a power cut too.

        Raises:
            StorageFull, StorageUnavailable.
        """
        ...

    async def remove_note(self, name: str) -> None:
        """Remove a note; a missing one is no error. Raises StorageUnavailable."""
        ...


class Blobs(Notes, Protocol):
    """Where objects are kept. All methods raise StorageUnavailable; those that write raise StorageFull too.

    A `location` is the name of an object, or what `find` gave for a URL.
    """

    async def prepare(self) -> None:
        """Make the place if it is missing and this storage makes its own; an existing one is left as it is."""
        ...

    async def create(self, name: str) -> BlobWriter:
        """Begin an object."""
        ...

    async def head(self, location: str) -> Head | None:
        """Return the size and version of an object; None if it does not exist."""
        ...

    def open_range(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes of an object from `start` up to, not including, `end`, in pieces of a few MiB at most.

        Raises:
            NotFound: the object does not exist.
        """
        ...

    async def copy(self, location: str, name: str, version: str) -> StoredAudio:
        """Copy an object inside the storage to another name, if it is still the version that `head` saw. Its SHA-256
        is not known then.

        Raises:
            NotFound: the object does not exist.
            SourceChanged: it is another version; there is no copy then.
        """
        ...

    def local(self, audio: StoredAudio, scratch: Path) -> AbstractAsyncContextManager[LocalFile]:
        """Return a context manager that yields the object as a local file, to be decoded. A storage that is not on
        this machine puts a copy into `scratch`, for which room is reserved first, and removes it at the end.

        Raises:
            NotFound: the object does not exist.
            StorageUnavailable: its bytes are not those that were stored, by the SHA-256 of a copy.
        """
        ...

    async def offer_upload(self, name: str, content_type: str, size: int, lifetime: float) -> DirectUpload | None:
        """Return where a client may upload exactly `size` bytes of a type as this object, for `lifetime` seconds; None
        if this storage takes no uploads of its own. With an empty type any is taken."""
        ...

    def find(self, url: str) -> str | None:
        """Return the location of the object that a URL names, if the URL is one of this storage; None for others.

        A URL of this storage is never fetched.

        Raises:
            InvalidRequest: it names an object of Dictograph itself that is no upload, or no object at all.
        """
        ...

    async def delete(self, name: str) -> None:
        """Remove an object; a missing one is no error."""
        ...

    def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
        """Yield the names of all objects, unfinished ones too, that were last written more than `seconds` ago.

        The age is by the clock that stamps the objects. Names come in batches, since there may be millions. Other
        files in the same place, as in the upload folder of an older system, are not Dictograph's.
        """
        ...

    async def is_empty(self) -> bool:
        """Return whether the storage holds nothing but notes, as when a disk is not mounted."""
        ...

    async def check(self) -> None:
        """Write, read and remove a small object. Raises the error that prevents it."""
        ...

    async def lacking(self) -> list[str] | None:
        """Return in words what an existing place lacks for the settings; None if it does not exist. Nothing is made."""
        ...

    async def check_room(self) -> None:
        """Check that the storage is there and has space for another object."""
        ...


def audio_name(job_id: str, attempt: int) -> str:
    """Return the name of a job's original bytes, as stored by `attempt` (0: on acceptance)."""
    return f"{job_id}/{attempt}-audio"
