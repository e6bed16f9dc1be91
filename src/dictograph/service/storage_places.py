"""The places of stored files, and which database names the files in them."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from typing import Protocol

from dictograph.blobs.protocol import Blobs, Notes
from dictograph.service.compat.path_uploads import PathUploads
from dictograph.settings.model import Settings
from dictograph.store import storage_marks
from dictograph.store.compat import path_jobs
from dictograph.store.database import Database
from dictograph.store.jobs import prune

#: Files of any age, also those with a time in the future.
_ANY_AGE = -math.inf

#: An unfinished upload, or the rest of one, has no row yet.
_UNFINISHED = ".part"

_BATCH = 500


class Place(Protocol):
    """A place of stored files that belongs to one database."""

    name: str
    title: str
    where: str
    notes: Notes

    def objects(self) -> AsyncIterator[list[str]]:
        """Yield the names of all files there whose names have our form, some at a time."""
        ...

    async def unnamed(self, database: Database, names: list[str]) -> list[str]:
        """Return which of these files no row of the database names."""
        ...

    async def are_ours(self, database: Database) -> bool:
        """Return whether the database names the files there, as that of an upgraded service does."""
        ...

    async def has_named(self, database: Database) -> bool:
        """Return whether the database names any file at all."""
        ...

    async def must_hold_files(self, database: Database) -> bool:
        """Return whether the place cannot be empty, by what the database names."""
        ...


class StoragePlace:
    """The stored audio: each complete object gets a row soon after it was written."""

    name, title = storage_marks.STORAGE, "storage"

    def __init__(self, blobs: Blobs, where: str) -> None:
        """Keep the storage. `where` is the place, in words for people."""
        self._blobs = blobs
        self.notes: Notes = blobs
        self.where = where

    def objects(self) -> AsyncIterator[list[str]]:
        return self._blobs.older_than(_ANY_AGE)

    async def unnamed(self, database: Database, names: list[str]) -> list[str]:
        return await database.read(lambda conn: prune.unnamed(conn, names))

    async def are_ours(self, database: Database) -> bool:
        """See Place. The database is queried twice: an upload that just ended gets its row a moment later."""
        suspects: list[str] = []
        async for names in self.objects():
            suspects += await self.unnamed(database, [name for name in names if not name.endswith(_UNFINISHED)])
            if len(suspects) > _BATCH:
                return False
        return not await self.unnamed(database, suspects)

    async def has_named(self, database: Database) -> bool:
        return await database.read(prune.names_objects)

    async def must_hold_files(self, database: Database) -> bool:
        return await self.has_named(database)


class UploadsPlace:
    """The uploads of the path contract: a row names an upload only after its transcription was requested."""

    name, title = storage_marks.PATH_UPLOADS, "folder of path uploads"

    def __init__(self, uploads: PathUploads) -> None:
        self._uploads = uploads
        self.notes: Notes = uploads.notes
        self.where = str(uploads.folder)

    async def objects(self) -> AsyncIterator[list[str]]:
        if found := await self._uploads.older_than(_ANY_AGE, _ANY_AGE):
            yield found

    async def unnamed(self, database: Database, names: list[str]) -> list[str]:
        named = await database.read(lambda conn: path_jobs.known_paths(conn, names))
        return [name for name in names if name not in named]

    async def are_ours(self, database: Database) -> bool:
        async for names in self.objects():
            for first in range(0, len(names), _BATCH):
                some = names[first : first + _BATCH]
                if len(await self.unnamed(database, some)) < len(some):
                    return True
        return False

    async def has_named(self, database: Database) -> bool:
        return await database.read(path_jobs.has_paths)

    async def must_hold_files(self, database: Database) -> bool:  # noqa: ARG002 - of the protocol
        """Return False: an upload goes a while after its job, and the job still names it."""
        return False


def places_of(settings: Settings, blobs: Blobs) -> tuple[StoragePlace, UploadsPlace]:
    """Return the places of a service."""
    return StoragePlace(blobs, settings.storage_place), UploadsPlace(PathUploads.of(settings))
