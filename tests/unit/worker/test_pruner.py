"""What was kept long enough goes, and one object that cannot go keeps no other."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from dictograph.blobs import FolderBlobs
from dictograph.errors import StorageUnavailable
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.worker.pruner import Pruner, Retention


class _Stubborn(FolderBlobs):
    """Objects of one job cannot be removed, as when a folder belongs to somebody else."""

    def __init__(self, folder: Path, error: Exception) -> None:
        super().__init__(folder)
        self._error = error

    async def delete(self, name: str) -> None:
        if name.startswith("stuck/"):
            raise self._error
        await super().delete(name)


def test_an_object_that_cannot_be_removed_keeps_no_other(tmp_path: Path) -> None:
    for job in ("a", "stuck", "z"):
        stray = tmp_path / "blobs" / job / "0-audio"
        stray.parent.mkdir(parents=True)
        stray.write_bytes(b"nobody names this")
        os.utime(stray, (1, 1))
    upgrade(f"sqlite:///{tmp_path / 'd.db'}")

    async def test(error: Exception) -> None:
        database = Database.open(f"sqlite:///{tmp_path / 'd.db'}")
        pruner = Pruner(database, _Stubborn(tmp_path / "blobs", error), Retention(0, 0, 0, orphans=1.0))
        await pruner.turn()
        await pruner.turn()
        await database.close()

    for error in (PermissionError("not yours"), StorageUnavailable("The storage is away.")):
        asyncio.run(test(error))
        assert [path.parent.name for path in (tmp_path / "blobs").rglob("0-audio")] == ["stuck"]


def test_what_just_became_old_stays_for_a_turn_more(tmp_path: Path) -> None:
    """The clock was set forward by hours while an upload was being taken in: its row comes a moment later."""
    incoming = tmp_path / "blobs" / "job" / "0-audio"
    incoming.parent.mkdir(parents=True)
    incoming.write_bytes(b"accepted in a moment")
    os.utime(incoming, (1, 1))
    upgrade(f"sqlite:///{tmp_path / 'd.db'}")

    async def test() -> None:
        database = Database.open(f"sqlite:///{tmp_path / 'd.db'}")
        pruner = Pruner(database, FolderBlobs(tmp_path / "blobs"), Retention(0, 0, 0, orphans=3600.0))
        await pruner.turn()
        assert incoming.exists()
        await pruner.turn()
        assert not incoming.exists()
        await database.close()

    asyncio.run(test())


def test_everything_can_be_kept_for_ever(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'd.db'}")

    async def test() -> None:
        database = Database.open(f"sqlite:///{tmp_path / 'd.db'}")
        await Pruner(database, FolderBlobs(tmp_path / "blobs"), Retention(0, 0, 0, orphans=0)).turn()
        await database.close()

    asyncio.run(test())
