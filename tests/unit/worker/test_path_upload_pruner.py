"""Uploads of the path contract go when they are old by the clock of their files, and not by that of the machine."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from dictograph.service.compat.path_uploads import PathUploads
from dictograph.service.storage_guard import StorageGuard
from dictograph.service.storage_places import UploadsPlace
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.worker.upkeep.path_upload_pruner import PathUploadPruner
from tests.storages import later

HOUR = 3600.0


def unfinished(folder: Path) -> Path:
    upload = folder / "uploads" / ("0" * 32) / "talk.wav.part"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"half of a talk")
    return upload


async def turns(folder: Path, upload: Path) -> list[bool]:
    """Whether the upload is there after each of two turns."""
    upgrade(f"sqlite:///{folder / 'd.db'}")
    database = Database.open(f"sqlite:///{folder / 'd.db'}")
    uploads = PathUploads(folder / "uploads", 0, 0)
    guard = StorageGuard(database, UploadsPlace(uploads))
    if await asyncio.to_thread(uploads.folder.is_dir):
        await guard.adopt()
    sweeper = PathUploadPruner(database, uploads, guard, HOUR, HOUR)
    left = []
    for _ in range(2):
        await sweeper.turn()
        left.append(await asyncio.to_thread(upload.exists))
        await asyncio.to_thread(later, database, 60)
    await database.close()
    return left


def test_a_clock_that_is_ahead_ends_no_upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, now = unfinished(tmp_path), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * HOUR)
    assert asyncio.run(turns(tmp_path, upload)) == [True, True]


def test_what_just_became_old_stays_for_a_turn_more(tmp_path: Path) -> None:
    """The clock of the files was set forward by hours: what is still coming in is young again a moment later."""
    upload = unfinished(tmp_path)
    os.utime(upload, (1, 1))
    assert asyncio.run(turns(tmp_path, upload)) == [True, False]


def test_no_folder_of_uploads_is_none_to_sweep(tmp_path: Path) -> None:
    assert asyncio.run(turns(tmp_path, tmp_path / "uploads")) == [False, False]
