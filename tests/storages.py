"""Whose a storage is, for tests: its guard, what lies in it, and time that passes for sweeps."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import Connection, update

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import Blobs
from dictograph.service.storage_guard import StorageGuard
from dictograph.service.storage_places import StoragePlace
from dictograph.store.database import Database
from dictograph.store.tables import storage_mark, stray


def guard_of(database: Database, blobs: Blobs) -> StorageGuard:
    """The guard of a storage for this database."""
    return StorageGuard(database, StoragePlace(blobs, "of the test"))


def guard_at(database: Database, folder: Path) -> StorageGuard:
    """The guard of a storage in a folder."""
    return guard_of(database, FolderBlobs(folder))


def put(storage: Path, name: str) -> Path:
    """An object that was written long ago."""
    path = storage / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"some audio")
    os.utime(path, (1, 1))
    return path


def later(database: Database, seconds: float) -> None:
    """Have so many seconds passed since all sweeps and since all that they saw."""

    def pass_by(conn: Connection) -> None:
        conn.execute(update(storage_mark).values(swept_at=storage_mark.c.swept_at - seconds))
        conn.execute(update(stray).values(seen_at=stray.c.seen_at - seconds))

    database.write_now(pass_by)
