"""A database that is lost while it commits: what it may have written keeps its audio; and what becomes of keys then."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, text, update

from dictograph.blobs.folder import FolderBlobs
from dictograph.contract import Contract
from dictograph.errors import DatabaseUnavailable, IdempotencyInProgress
from dictograph.runtime.crash import CrashPoints
from dictograph.service import idempotency, intake
from dictograph.service.compat.backend_uploads import Uploads
from dictograph.service.intake import Intake
from dictograph.service.request import JobRequest
from dictograph.settings.model import Settings
from dictograph.store.backends.postgres_backend import PostgresBackend
from dictograph.store.backends.sqlite_backend import SqliteBackend
from dictograph.store.database import Database
from dictograph.store.idempotency import SILENT_S
from dictograph.store.jobs.read import list_jobs
from dictograph.store.tables import idempotency_key
from tests.integration.api.live import OfferOfTwo, settings_for
from tests.integration.store.store_driver import StoreDriver
from tests.service import eventually


class Flaw:
    """When `armed`, the next commit is done, or not, and its answer lost."""

    def __init__(self, database: Database, done: bool) -> None:
        self.armed = False
        self._done = done
        assert isinstance(database._backend, SqliteBackend | PostgresBackend)
        self.dialect = database._backend.engine.dialect
        self._commit = self.dialect.do_commit

    def commit(self, driver: Any) -> None:
        lost, self.armed = self.armed, False
        if self._done or not lost:
            self._commit(driver)
        if lost:
            raise self._loss(driver)

    def _loss(self, driver: Any) -> Exception:
        connection = driver.driver_connection
        if isinstance(connection, psycopg.Connection):
            connection.pgconn.finish()
            return psycopg.OperationalError("server closed the connection unexpectedly")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        return error


@pytest.fixture(params=[True, False], ids=["done", "not done"])
def flaw(request: pytest.FixtureRequest, database: Database, monkeypatch: pytest.MonkeyPatch) -> Flaw:
    one = Flaw(database, request.param)
    monkeypatch.setattr(one.dialect, "do_commit", one.commit)
    return one


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path, {})


@pytest.fixture
def way_in(database: Database, settings: Settings) -> Intake:
    return Intake(database, FolderBlobs(settings.data_dir / "blobs"), OfferOfTwo(), settings, CrashPoints(), "test")


def files(settings: Settings) -> list[str]:
    return [
        str(one.relative_to(settings.data_dir / "blobs"))
        for one in (settings.data_dir / "blobs").rglob("*")
        if one.is_file()
    ]


def jobs(driver: StoreDriver) -> list[str]:
    return [job.id for job in driver.read(list_jobs, None).jobs]


async def upload(way_in: Intake, before_the_row: Callable[[], None] = lambda: None, key: str = "k") -> str:
    async with way_in.begin_upload("local", key) as session:
        await session.write(b"sound")
        before_the_row()
        return (await session.finish("a.wav", JobRequest())).job.id


def test_what_may_be_written_keeps_its_audio(
    driver: StoreDriver, way_in: Intake, settings: Settings, flaw: Flaw
) -> None:
    async def run() -> str:
        with pytest.raises(DatabaseUnavailable) as refused:
            await upload(way_in, lambda: setattr(flaw, "armed", True))
        assert refused.value.in_doubt
        assert len(files(settings)) == 1
        return await upload(way_in)

    job = asyncio.run(run())
    assert jobs(driver) == [job], "the key finds the job, or makes it"
    assert f"{job}/0-audio" in files(settings)


def test_an_upload_to_an_address_stays_too(database: Database, settings: Settings, flaw: Flaw) -> None:
    uploads = Uploads(database, FolderBlobs(settings.data_dir / "blobs"), settings)

    async def send(armed: bool) -> str:
        async with uploads.begin_upload(slot, 100) as session:
            await session.write(b"sound")
            flaw.armed = armed
            return (await uploads.fill(session)).name

    async def run() -> None:
        with pytest.raises(DatabaseUnavailable):
            await send(True)
        assert len(files(settings)) == 1
        assert await send(False) in files(settings)

    slot = asyncio.run(uploads.offer("backend", Contract.BACKEND, "a.wav", "audio/wav", 5)).slot
    asyncio.run(run())


def test_what_is_certainly_not_written_leaves_nothing(
    kind: str, way_in: Intake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database fails before the commit: an outage must not fill the disk with what clients send again."""

    def fail(conn: Connection, *_: object) -> None:
        if kind == "postgresql":
            conn.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_READ"
        raise error

    async def run() -> None:
        with monkeypatch.context() as outage:
            outage.setattr(intake, "check_quota", fail)
            for refused in (upload(way_in), way_in.url(JobRequest(key="of a url"), "https://example.org/a.wav")):
                with pytest.raises(DatabaseUnavailable):
                    await refused
        assert files(settings) == []
        await upload(way_in)  # the keys are free at once
        assert (await way_in.url(JobRequest(key="of a url"), "https://example.org/a.wav")).created

    asyncio.run(run())


def grow_old(driver: StoreDriver) -> None:
    change = update(idempotency_key).values(created_at=idempotency_key.c.created_at - SILENT_S)
    driver.write(lambda c: c.execute(change))


def test_a_key_that_could_not_be_freed_is_free_soon(
    driver: StoreDriver, database: Database, way_in: Intake, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def away(query: Callable[[Connection], Any]) -> Any:
        asked.append(query)
        raise DatabaseUnavailable(f"The database is away: {len(asked)}.")

    async def run() -> str:
        with monkeypatch.context() as outage, pytest.raises(DatabaseUnavailable, match="away: 1"):
            await upload(way_in, lambda: outage.setattr(database._backend, "write", away))
        assert files(settings) == []
        with pytest.raises(IdempotencyInProgress):
            await upload(way_in)
        await asyncio.to_thread(grow_old, driver)
        return await upload(way_in)

    assert asyncio.run(run()) in jobs(driver)


def test_of_two_uploads_with_a_key_one_makes_the_job_whoever_is_first(
    driver: StoreDriver, way_in: Intake, settings: Settings
) -> None:
    """The first one was silent for too long and has lost its key; it is a repetition of the other, then."""

    async def run(other_is_done: bool) -> None:
        second: list[str] = []
        key = f"other is done: {other_is_done}"

        async with way_in.begin_upload("local", key) as session:
            await session.write(b"sound")
            await asyncio.to_thread(grow_old, driver)
            if other_is_done:
                second.append(await upload(way_in, key=key))
                first = await session.finish("a.wav", JobRequest())
                assert (first.job.id, first.created) == (second[0], False)
                return
            async with way_in.begin_upload("local", key) as other:
                await other.write(b"sound")
                with pytest.raises(IdempotencyInProgress):
                    await session.finish("a.wav", JobRequest())
                assert (await other.finish("a.wav", JobRequest())).created

    for number, other_is_done in enumerate((True, False), 1):
        asyncio.run(run(other_is_done))
        assert len(jobs(driver)) == number
        assert sorted(files(settings)) == sorted(f"{job}/0-audio" for job in jobs(driver))


def test_a_key_is_renewed_while_its_upload_comes(
    driver: StoreDriver, way_in: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_RENEW_S", 0.01)

    def age() -> float:
        return driver.write(lambda c: c.execute(idempotency_key.select()).one().created_at)

    async def run() -> None:
        async with way_in.begin_upload("local", "k") as session:
            await session.write(b"sound")
            began = age()
            await asyncio.to_thread(eventually, lambda: age() > began)
            await asyncio.to_thread(grow_old, driver)
            await asyncio.to_thread(eventually, lambda: age() > began)
            with pytest.raises(IdempotencyInProgress):
                await upload(way_in)
            assert (await session.finish("a.wav", JobRequest())).created

    asyncio.run(run())
