"""What was kept long enough goes, however much it is, and one object that cannot go keeps no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from dictograph.blobs.folder import FolderBlobs
from dictograph.errors import StorageUnavailable
from dictograph.job import Options, Source, SourceKind, StoredAudio
from dictograph.store import strays
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.migrate import upgrade
from dictograph.store.tables import event, job
from dictograph.worker.upkeep import pruner
from dictograph.worker.upkeep.pruner import Pruner, Retention
from tests.storages import guard_at, guard_of, later, put


class _Stubborn(FolderBlobs):
    """Objects of one job cannot be removed, as when a folder belongs to somebody else."""

    def __init__(self, folder: Path, error: Exception) -> None:
        super().__init__(folder)
        self._error = error

    async def delete(self, name: str) -> None:
        if name.startswith("stuck/"):
            raise self._error
        await super().delete(name)


HOUR = 3600.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    upgrade(f"sqlite:///{tmp_path / 'd.db'}")
    database = Database.open(f"sqlite:///{tmp_path / 'd.db'}")
    yield database
    database.close_now()


def _stray(folder: Path, name: str) -> Path:
    """An object that no row names, written long ago."""
    return put(folder / "blobs", f"{name}/0-audio")


def _left(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in (folder / "blobs").rglob("0-audio"))


async def _pruner(database: Database, blobs: FolderBlobs, orphans: float) -> Pruner:
    """One whose storage is marked as its database's own."""
    guard = guard_of(database, blobs)
    await guard.adopt()
    return Pruner(database, blobs, guard, Retention(0, 0, 0, orphans=orphans))


@pytest.mark.parametrize("error", [PermissionError("not yours"), StorageUnavailable("The storage is away.")])
def test_an_object_that_cannot_be_removed_keeps_no_other(tmp_path: Path, database: Database, error: Exception) -> None:
    for name in ("a", "stuck", "z"):
        _stray(tmp_path, name)

    async def test() -> None:
        agent = await _pruner(database, _Stubborn(tmp_path / "blobs", error), HOUR)
        for _ in range(2):
            await agent.turn()
            later(database, HOUR)

    asyncio.run(test())
    assert _left(tmp_path) == ["stuck"]


def test_what_just_became_old_stays_for_as_long_again(tmp_path: Path, database: Database) -> None:
    """The clock was set forward by hours while an upload was being taken in: its row comes a moment later."""
    incoming, there = _stray(tmp_path, "job"), []

    async def test() -> None:
        agent = await _pruner(database, FolderBlobs(tmp_path / "blobs"), HOUR)
        for seconds in (0, HOUR / 2, HOUR / 2 - 60, 120):
            later(database, seconds)
            await agent.turn()
            there.append(incoming.exists())

    asyncio.run(test())
    assert there == [True, True, True, False], "a sweep looks at all there is: it is made every half hour"


def test_workers_that_live_for_one_turn_remove_it_too(tmp_path: Path, database: Database) -> None:
    stray = _stray(tmp_path, "job")
    asyncio.run(guard_at(database, tmp_path / "blobs").adopt())
    for _ in range(2):
        asyncio.run(_turn(database, tmp_path / "blobs", Retention(0, 0, 0, orphans=HOUR)))
        later(database, HOUR)
    assert not stray.exists()


async def _turn(database: Database, storage: Path, keep: Retention) -> None:
    blobs = FolderBlobs(storage)
    await Pruner(database, blobs, guard_of(database, blobs), keep).turn()


def test_of_two_workers_one_sweeps(tmp_path: Path, database: Database) -> None:
    """It is to look at all objects: one look in half an hour does for all workers."""
    looks = 0

    class Counted(FolderBlobs):
        async def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
            nonlocal looks
            looks += seconds == HOUR
            async for names in super().older_than(seconds):
                yield names

    async def test() -> None:
        one = await _pruner(database, Counted(tmp_path / "blobs"), HOUR)
        blobs = Counted(tmp_path / "blobs")
        other = Pruner(database, blobs, guard_of(database, blobs), Retention(0, 0, 0, orphans=HOUR))
        for _ in range(3):
            await asyncio.gather(one.turn(), other.turn())

    asyncio.run(test())
    assert looks == 1


def test_a_clock_that_is_set_back_neither_hurries_nor_ends_sweeping(tmp_path: Path, database: Database) -> None:
    stray, there = _stray(tmp_path, "job"), []

    async def test() -> None:
        agent = await _pruner(database, FolderBlobs(tmp_path / "blobs"), HOUR)
        for seconds in (0, -48 * HOUR, HOUR / 2, HOUR / 2 + 1):
            later(database, seconds)
            await agent.turn()
            there.append(stray.exists())

    asyncio.run(test())
    assert there == [True, True, True, False], "it was seen two days from now: it begins anew, and goes after an hour"


def test_a_sweep_that_failed_is_made_at_the_next_turn(tmp_path: Path, database: Database) -> None:
    incoming = _stray(tmp_path, "job")

    class Away(FolderBlobs):
        away = True

        async def older_than(self, seconds: float) -> AsyncIterator[list[str]]:
            if self.away:
                raise StorageUnavailable("The storage is away.")
            async for names in super().older_than(seconds):
                yield names

    async def test() -> None:
        blobs = Away(tmp_path / "blobs")
        agent = await _pruner(database, blobs, HOUR)
        with pytest.raises(StorageUnavailable):
            await agent.turn()
        blobs.away = False
        await agent.turn()
        later(database, HOUR)
        await agent.turn()

    asyncio.run(test())
    assert not incoming.exists()


def test_of_very_many_strays_only_so_many_are_remembered(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strays, "MOST", 3)
    left = []
    for number in range(8):
        _stray(tmp_path, f"job-{number}")

    async def test() -> None:
        agent = await _pruner(database, FolderBlobs(tmp_path / "blobs"), HOUR)
        for _ in range(6):
            await agent.turn()
            left.append(len(_left(tmp_path)))
            later(database, HOUR)

    asyncio.run(test())
    assert left == [8, 5, 5, 2, 2, 0]


def _ended(database: Database, count: int) -> None:
    def query(conn: Connection) -> None:
        for number in range(count):
            audio = StoredAudio(f"job-{number}/0-audio", "0" * 64, 1)
            source = Source(SourceKind.UPLOAD)
            create_job(conn, NewJob(f"job-{number}", "local", "a.wav", source, Options(), audio=audio))
            control.cancel(conn, None, f"job-{number}")

    database.write_now(query)


def _kept(database: Database) -> tuple[int, int, int]:
    """How many jobs there are, how many have audio, and how many events there are."""
    counts = (func.count(job.c.id), func.count(job.c.audio_name))
    jobs, audio = database.read_now(lambda c: c.execute(select(*counts)).one())
    return jobs, audio, database.read_now(lambda c: c.execute(select(func.count(event.c.seq))).scalar_one())


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (Retention(audio=-1, results=0, events=0, orphans=3600), (20, 0, 40)),
        (Retention(audio=0, results=-1, events=0, orphans=3600), (0, 0, 0)),
        (Retention(audio=0, results=0, events=-1, orphans=3600), (20, 20, 0)),
    ],
    ids=["audio", "jobs", "events"],
)
def test_all_that_is_due_goes_in_one_turn(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch, keep: Retention, left: tuple[int, int, int]
) -> None:
    """A batch a turn would not do: more jobs end in a minute than one has."""
    monkeypatch.setattr(pruner, "_BATCH", 8)
    monkeypatch.setattr(pruner, "_PAUSE_S", 0.001)
    _ended(database, 20)
    asyncio.run(_turn(database, tmp_path / "blobs", keep))
    assert _kept(database) == left


def test_between_two_batches_others_write_and_the_worker_may_stop(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruner, "_BATCH", 8)
    monkeypatch.setattr(pruner, "_PAUSE_S", 600)
    _ended(database, 20)
    other = Database.open(f"sqlite:///{tmp_path / 'd.db'}")

    async def test() -> None:
        keep = Retention(audio=0, results=-1, events=0, orphans=3600)
        turn = asyncio.create_task(_turn(database, tmp_path / "blobs", keep))
        seen = [20]
        while seen.count(12) < 10:
            seen.append(await other.write(lambda c: c.execute(select(func.count(job.c.id))).scalar_one()))
            assert set(seen) <= {20, 12}, "it goes on at once"
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn

    asyncio.run(test())
    assert _kept(other) == (12, 12, 24)
    other.close_now()


def test_everything_can_be_kept_for_ever(tmp_path: Path, database: Database) -> None:
    asyncio.run(_turn(database, tmp_path / "blobs", Retention(0, 0, 0, orphans=0)))
