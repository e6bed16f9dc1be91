"""Addresses to upload to: their objects stay while somebody needs them, and no longer; and what signs them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from dictograph.blobs.folder import FolderBlobs
from dictograph.contract import Contract
from dictograph.job import Options, Source, SourceKind, StoredAudio
from dictograph.service.compat.backend_uploads import UploadForbidden, Uploads, expiry
from dictograph.service.storage_guard import StorageGuard
from dictograph.service.storage_places import StoragePlace
from dictograph.settings.model import Settings
from dictograph.store.compat.upload_slots import NewUploadSlot, create_slot, fill_slot, find_slot
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.prune import prune_uploads, unnamed
from dictograph.store.jobs.read import stored_audio
from dictograph.store.secrets import server_secret
from dictograph.store.tables import upload_slot
from dictograph.worker.upkeep.pruner import Pruner, Retention


def slot(database: Database, name: str, lifetime: float = -10.0) -> StoredAudio:
    """An address that expired ten seconds ago, with its object."""
    new = NewUploadSlot(name, "backend", Contract.BACKEND, "a.mp3", "audio/mpeg", 3, lifetime)
    audio = StoredAudio(f"{name}/1-upload", "0" * 64, 3)
    database.write_now(lambda c: create_slot(c, new))
    assert database.write_now(lambda c: fill_slot(c, name, audio)) is not None
    return audio


def job_of(database: Database, audio: StoredAudio, name: str) -> str:
    source = Source(SourceKind.OBJECT, audio.name)
    new = NewJob(name, "backend", "a.mp3", source, Options.model_validate({}), contract=Contract.BACKEND)
    return database.write_now(lambda c: create_job(c, new)).id


def test_what_is_expired_and_not_needed_goes(database: Database) -> None:
    unused, waited_for, fresh = slot(database, "unused"), slot(database, "waited-for"), slot(database, "fresh", 60)
    job = job_of(database, waited_for, "job")
    assert database.write_now(lambda c: prune_uploads(c, 5, 100)).objects == [unused.name]
    assert database.read_now(lambda c: find_slot(c, "unused")) is None
    names = [unused.name, waited_for.name, fresh.name]
    assert database.read_now(lambda c: unnamed(c, names)) == [unused.name]
    assert [one.name for one in database.read_now(lambda c: stored_audio(c, "", 10))] == [fresh.name, waited_for.name]
    database.write_now(lambda c: control.cancel(c, None, job))
    assert database.write_now(lambda c: prune_uploads(c, 60, 100)).objects == []
    assert database.write_now(lambda c: prune_uploads(c, 5, 100)).objects == [waited_for.name]


def test_an_address_to_which_nothing_came_goes_without_an_object(database: Database) -> None:
    new = NewUploadSlot("empty", "backend", Contract.BACKEND, "a.mp3", "", 3, -10)
    database.write_now(lambda c: create_slot(c, new))
    assert database.write_now(lambda c: prune_uploads(c, 5, 100)).objects == []
    assert database.read_now(lambda c: find_slot(c, "empty")) is None
    assert database.write_now(lambda c: fill_slot(c, "empty", StoredAudio("empty/1-upload", "0" * 64, 3))) is None


def test_addresses_that_nothing_came_to_all_go_in_one_turn(database: Database, tmp_path: Path) -> None:
    long_ago, lately = -10_000.0, -10.0
    many = [NewUploadSlot(f"empty-{n}", "backend", Contract.BACKEND, "a.mp3", "", 3, long_ago) for n in range(2300)]
    database.write_now(lambda c: [create_slot(c, new) for new in many])
    used = slot(database, "used", long_ago)
    database.write_now(
        lambda c: create_slot(c, NewUploadSlot("late", "backend", Contract.BACKEND, "a.mp3", "", 3, lately))
    )
    blobs = FolderBlobs(tmp_path / "blobs")
    guard = StorageGuard(database, StoragePlace(blobs, "blobs"))
    asyncio.run(Pruner(database, blobs, guard, Retention(0, 0, 0, orphans=0)).turn())
    left = database.read_now(lambda c: c.execute(select(upload_slot.c.id)).scalars().all())
    assert sorted(left) == ["late", "used"]
    assert database.read_now(lambda c: unnamed(c, [used.name])) == []


def test_the_first_upload_stays(database: Database) -> None:
    first = slot(database, "one")
    kept = database.write_now(lambda c: fill_slot(c, "one", StoredAudio("one/2-upload", "1" * 64, 4)))
    assert kept is not None
    assert kept.audio == first


@pytest.mark.parametrize("name", ["uploads", "tickets"])
def test_a_secret_is_made_once_however_many_ask(database: Database, name: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        secrets = set(threads.map(lambda _: database.write_now(lambda c: server_secret(c, name)), range(8)))
    [secret] = secrets
    assert len(secret) == 64
    assert database.write_now(lambda c: server_secret(c, "another")) != secret


def test_an_expired_address_takes_nothing(database: Database, tmp_path: Path) -> None:
    async def late() -> None:
        settings = Settings(data_dir=tmp_path, backend_upload_expiry=0.001)
        uploads = Uploads(database, FolderBlobs(tmp_path), settings)
        offered = await uploads.offer("backend", Contract.BACKEND, "a.mp3", "audio/mpeg", 3)
        await uploads.open(offered.slot.id, expiry(offered.slot), offered.signature)

    with pytest.raises(UploadForbidden, match="expired"):
        asyncio.run(late())
