"""A worker looks at its disks before it claims, and a disk that does not answer holds nothing else up."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any, cast

import pytest

from dictograph.blobs.protocol import Blobs
from dictograph.errors import StorageFull
from dictograph.store.database import Database
from dictograph.worker import storage_health
from dictograph.worker.storage_health import StorageHealth


class _Blobs:
    """A storage that is full when it is told to be, and hangs when it is told to."""

    def __init__(self) -> None:
        self.looks = 0
        self.full = False
        self.empty = False
        self.answers = asyncio.Event()
        self.answers.set()

    async def check_room(self) -> None:
        self.looks += 1
        await self.answers.wait()
        if self.full:
            raise StorageFull("It is full.")

    async def is_empty(self) -> bool:
        return self.empty


class _Jobs:
    """A database that knows whether a job waits whose audio is in the storage."""

    def __init__(self, *, wait: bool) -> None:
        self.wait = wait

    async def read(self, query: object) -> bool:
        return self.wait


def _storage(
    blobs: _Blobs, scratch: Path, reserve: int = 0, *, patience: float = 600.0, jobs_wait: bool = False
) -> StorageHealth:
    jobs = cast("Database", _Jobs(wait=jobs_wait))
    return StorageHealth(jobs, cast("Blobs", blobs), scratch, reserve, patience)


def test_many_questions_in_a_second_are_one_look(tmp_path: Path) -> None:
    async def test() -> None:
        blobs = _Blobs()
        one = _storage(blobs, tmp_path)
        assert all([await one.is_there() for _ in range(100)])
        assert blobs.looks == 1

    asyncio.run(test())


def test_trouble_is_said_when_it_begins_and_when_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage_health, "_LOOK_S", 0.0)

    async def test() -> None:
        blobs = _Blobs()
        one = _storage(blobs, tmp_path)
        for blobs.full in (False, True, True, True, False, False):
            assert await one.is_there() is not blobs.full
            assert one.reason == ("It is full." if blobs.full else "")

    with caplog.at_level(logging.INFO):
        asyncio.run(test())
    assert [record.levelname for record in caplog.records if "no job is begun" in record.message] == ["WARNING", "INFO"]


def test_a_storage_that_hangs_is_away_and_looked_at_by_one_thread_only(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(storage_health, "_LOOK_S", 0.0)
    monkeypatch.setattr(storage_health, "_SILENT_S", 0.05)

    async def test() -> None:
        blobs = _Blobs()
        blobs.answers.clear()
        one = _storage(blobs, tmp_path)
        for _ in range(5):
            assert not await one.is_there()
        assert "has not answered" in one.reason
        assert blobs.looks == 1
        blobs.answers.set()
        monkeypatch.setattr(storage_health, "_SILENT_S", 5.0)
        assert await one.is_there()
        assert one.reason == ""

    asyncio.run(test())


def test_a_scratch_without_room_counts_too(tmp_path: Path) -> None:
    async def test() -> None:
        one = _storage(_Blobs(), tmp_path, reserve=2**62)
        assert not await one.is_there()
        assert "no room for the decoded samples" in one.reason

    asyncio.run(test())


def test_nobody_looks_for_those_who_sit_there_and_wait(tmp_path: Path) -> None:
    async def test() -> None:
        blobs = _Blobs()
        assert await _storage(blobs, tmp_path, reserve=2**62, patience=0).is_there()
        assert blobs.looks == 0

    asyncio.run(test())


def test_jobs_whose_audio_is_there_are_run_on_a_full_storage(tmp_path: Path) -> None:
    async def test() -> None:
        blobs = _Blobs()
        blobs.full = True
        assert await _storage(blobs, tmp_path, jobs_wait=True).is_there()
        assert not await _storage(blobs, tmp_path, jobs_wait=False).is_there()

    asyncio.run(test())


def test_an_empty_storage_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_health, "_LOOK_S", 0.0)

    async def test() -> None:
        blobs = _Blobs()
        blobs.empty = True
        one = _storage(blobs, tmp_path, patience=0.2, jobs_wait=True)
        assert not await one.is_there()
        assert "is it mounted" in one.reason
        while not await one.is_there():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(test(), 20))
