"""Nothing is swept from a storage that is another database's, or newer than this one. Real databases, real folders."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, update

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.marker import OWNER, Marker, has_marker
from dictograph.blobs.protocol import NOTES
from dictograph.errors import StorageFull, StorageUnavailable
from dictograph.job import Options, Source, SourceKind, StoredAudio
from dictograph.service.storage_guard import StorageGuard
from dictograph.store.database import Database
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.migrate import upgrade
from dictograph.store.storage_marks import STORAGE, mark_of
from dictograph.store.tables import storage_mark
from dictograph.worker.upkeep.pruner import Pruner, Retention
from tests.storages import guard_at, guard_of, later, put

HOUR = 3600.0


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """An empty folder for objects."""
    folder = tmp_path / "storage"
    folder.mkdir()
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Database]:
    """Another database, as empty as a wrong one."""
    url = f"sqlite:///{tmp_path / 'other.db'}"
    upgrade(url)
    database = Database.open(url)
    yield database
    database.close_now()


def name_in(database: Database, storage: Path, job_id: str) -> Path:
    """A job of the database, with its audio."""
    name = f"{job_id}/0-audio"
    new = NewJob(job_id, "local", "a.wav", Source(SourceKind.UPLOAD), Options(), audio=StoredAudio(name, "0" * 64, 1))
    database.write_now(lambda conn: create_job(conn, new))
    return put(storage, name)


def sweep_for_hours(database: Database, storage: Path) -> None:
    """Several workers after each other, with hours in between."""
    for _ in range(4):
        asyncio.run(worker_turn(database, FolderBlobs(storage)))
        later(database, HOUR)


async def worker_turn(database: Database, blobs: FolderBlobs) -> None:
    guard = guard_of(database, blobs)
    await guard.stamp_if_new()
    await Pruner(database, blobs, guard, Retention(0, 0, 0, orphans=HOUR)).turn()


def trouble_of(database: Database, storage: Path) -> str:
    return asyncio.run(guard_at(database, storage).standing()).trouble


def marker_in(storage: Path) -> Marker:
    return Marker.decode((storage / NOTES / OWNER).read_bytes())


def test_a_new_storage_is_marked_and_swept(database: Database, storage: Path) -> None:
    foreign = [put(storage, name) for name in ("old.wav", "2024/talk.wav", "2024/inner/1-audio", "thing/0-audio.bak")]
    assert not has_marker(storage)
    sweep_for_hours(database, storage)
    assert has_marker(storage)
    stray = put(storage, "stray/0-audio")
    sweep_for_hours(database, storage)
    assert not stray.exists()
    assert all(path.exists() for path in foreign), "what is not ours is never touched"
    mark = database.read_now(lambda conn: mark_of(conn, STORAGE))
    assert (marker_in(storage).identity, marker_in(storage).counter) == (mark.identity, mark.counter)
    assert mark.counter >= 8, "each sweep is counted"


def test_a_storage_from_before_there_were_markers_is_marked_if_rows_name_it(database: Database, storage: Path) -> None:
    ours = [name_in(database, storage, f"job-{number}") for number in range(3)]
    coming = put(storage, "job-9/0-audio.part")
    sweep_for_hours(database, storage)
    assert has_marker(storage)
    assert (all(path.exists() for path in ours), coming.exists()) == (True, False)


def test_a_storage_without_a_marker_is_left_alone_if_rows_do_not_name_it(database: Database, storage: Path) -> None:
    name_in(database, storage, "job")
    newer = put(storage, "newer/0-audio")
    sweep_for_hours(database, storage)
    assert newer.exists()
    assert not has_marker(storage)
    assert "what it holds is not what this database names" in trouble_of(database, storage)
    asyncio.run(guard_at(database, storage).adopt())
    sweep_for_hours(database, storage)
    assert not newer.exists()


def test_a_worker_with_a_wrong_empty_database_removes_nothing(
    database: Database, other: Database, storage: Path
) -> None:
    audio = name_in(database, storage, "job")
    sweep_for_hours(database, storage)
    sweep_for_hours(other, storage)
    assert audio.exists()
    assert "belongs to another database" in trouble_of(other, storage)
    stray = put(storage, "stray/0-audio")
    sweep_for_hours(database, storage)
    assert not stray.exists(), "a mistake that was mended leaves nothing to be done"


def test_two_services_on_one_storage_remove_nothing_of_each_other(
    database: Database, other: Database, storage: Path
) -> None:
    ours = name_in(database, storage, "ours")
    sweep_for_hours(database, storage)
    theirs = name_in(other, storage, "theirs")
    sweep_for_hours(other, storage)
    sweep_for_hours(database, storage)
    assert (ours.exists(), theirs.exists()) == (True, True)
    assert "belongs to another database" in trouble_of(other, storage)
    assert "is used by another database too" in trouble_of(database, storage)
    asyncio.run(guard_at(database, storage).adopt())
    asyncio.run(guard_at(database, storage).check())
    assert not trouble_of(database, storage)
    sweep_for_hours(other, storage)
    sweep_for_hours(database, storage)
    assert theirs.exists(), "while the other one is at work, its own stay"
    asyncio.run(guard_at(database, storage).adopt())
    sweep_for_hours(database, storage)
    assert (ours.exists(), theirs.exists()) == (True, False)


def test_a_restored_database_removes_nothing_until_it_adopts(database: Database, storage: Path) -> None:
    sweep_for_hours(database, storage)
    database.write_now(lambda conn: set_back(conn, 2))
    newer = put(storage, "uploaded-today/0-audio")
    sweep_for_hours(database, storage)
    assert newer.exists()
    assert "is ahead of its database (4 sweeps to 2)" in trouble_of(database, storage)
    asyncio.run(guard_at(database, storage).adopt())
    asyncio.run(worker_turn(database, FolderBlobs(storage)))
    later(database, HOUR - 60)
    asyncio.run(worker_turn(database, FolderBlobs(storage)))
    assert newer.exists(), "it has its whole time from then on"
    sweep_for_hours(database, storage)
    assert not newer.exists()


def set_back(conn: Connection, counter: int) -> None:
    conn.execute(update(storage_mark).values(counter=counter))


def test_a_database_that_is_ahead_was_killed_in_between(database: Database, storage: Path) -> None:
    sweep_for_hours(database, storage)
    database.write_now(lambda conn: conn.execute(update(storage_mark).values(counter=storage_mark.c.counter + 1)))
    assert not trouble_of(database, storage)
    stray = put(storage, "stray/0-audio")
    sweep_for_hours(database, storage)
    assert not stray.exists()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"identity": ""}', b'{"identity": "a", "counter": "1"}', b"\xff", b"[" * 100_000]
)
def test_a_damaged_marker_is_nobodys(database: Database, storage: Path, content: bytes) -> None:
    sweep_for_hours(database, storage)
    (storage / NOTES / OWNER).write_bytes(content)
    stray = put(storage, "stray/0-audio")
    sweep_for_hours(database, storage)
    assert stray.exists()
    assert "damaged" in trouble_of(database, storage)
    asyncio.run(guard_at(database, storage).adopt())
    assert not trouble_of(database, storage)


class _Odd(FolderBlobs):
    """Notes cannot be written."""

    def __init__(self, folder: Path, error: Exception) -> None:
        super().__init__(folder)
        self._error = error

    async def write_note(self, name: str, data: bytes) -> None:
        raise self._error


def test_a_storage_that_may_only_be_read_is_not_swept_and_well_afterwards(database: Database, storage: Path) -> None:
    sweep_for_hours(database, storage)
    stray, read_only = put(storage, "stray/0-audio"), _Odd(storage, StorageUnavailable("Only to be read."))
    for _ in range(4):
        with pytest.raises(StorageUnavailable):
            asyncio.run(worker_turn(database, read_only))
        later(database, HOUR)
    assert stray.exists()
    sweep_for_hours(database, storage)
    assert not stray.exists()


def test_a_full_storage_is_swept(database: Database, storage: Path) -> None:
    """Else it would never have room again."""
    sweep_for_hours(database, storage)
    stray, full = put(storage, "stray/0-audio"), _Odd(storage, StorageFull("The storage is full."))
    for _ in range(4):
        asyncio.run(worker_turn(database, full))
        later(database, HOUR)
    assert not stray.exists()


def test_workers_that_sweep_at_once_never_see_the_storage_ahead(database: Database, storage: Path) -> None:
    async def test() -> list[str]:
        guards = [guard_at(database, storage) for _ in range(8)]
        await guards[0].adopt()
        seen = []

        async def work(guard: StorageGuard) -> None:
            for _ in range(15):
                await guard.begin_sweep(0)
                seen.append(guard.trouble)

        await asyncio.gather(*map(work, guards))
        return seen

    assert set(asyncio.run(test())) == {""}
    assert not trouble_of(database, storage)


def test_what_is_wrong_is_said_once_and_when_it_is_over(
    database: Database, other: Database, storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dictograph.service.storage_guard")

    async def test() -> None:
        await guard_at(database, storage).adopt()
        guard = guard_at(other, storage)
        for counter in range(5):
            assert not await guard.check()
            moved = Marker("somebody-else", counter, written_at=str(counter))
            await guard.place.notes.write_note(OWNER, moved.encode())  # it is swept by its own
        await guard.adopt()
        assert await guard.check()

    asyncio.run(test())
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told
    assert "dictograph storage adopt" in told[0]
    assert "own again" in told[1]


def test_a_marker_is_never_seen_half_written(database: Database, storage: Path) -> None:
    async def test() -> None:
        blobs = FolderBlobs(storage)
        big = Marker("i" * 20_000, 1).encode()

        async def write() -> None:
            for _ in range(60):
                await blobs.write_note(OWNER, big)

        writers = [asyncio.create_task(write()) for _ in range(3)]
        while not all(task.done() for task in writers):
            for data in (await blobs.notes()).values():
                assert json.loads(data)["identity"] == "i" * 20_000
        await asyncio.gather(*writers)

    asyncio.run(test())
    assert [path.name for path in (storage / NOTES).iterdir()] == [OWNER]
