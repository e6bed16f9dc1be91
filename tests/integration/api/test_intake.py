"""The way in, without HTTP: crash points, and clients or loops that go away at the worst moment."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.errors import DatabaseUnavailable, EmptyUpload, UploadTooLarge
from dictograph.job import LOCAL_OWNER
from dictograph.runtime.crash import CrashPoints, Point
from dictograph.service.intake import Intake
from dictograph.service.request import JobRequest
from dictograph.service.upload_session import UploadState
from dictograph.store.database import Database
from dictograph.store.jobs.read import get_job, list_jobs
from dictograph.store.migrate import upgrade
from tests.integration.api.live import OfferOfTwo, settings_for
from tests.service import eventually


class Noted(CrashPoints):
    """Notes which points were reached, and how the world looked there."""

    def __init__(self, look: Callable[[], Any]) -> None:
        super().__init__()
        self.seen: list[tuple[Point, Any]] = []
        self._look = look

    def reach(self, point: Point) -> None:
        self.seen.append((point, self._look()))


@asynccontextmanager
async def intake(folder: Path, crash: CrashPoints | None = None) -> AsyncIterator[tuple[Intake, Database]]:
    settings = settings_for(folder, {"max_upload": 1000})
    settings.data_dir.mkdir()
    upgrade(settings.database)
    database = Database.open(settings.database)
    try:
        blobs = FolderBlobs(settings.data_dir / "blobs")
        yield Intake(database, blobs, OfferOfTwo(), settings, crash or CrashPoints(), "test"), database
    finally:
        await database.close()


def files(folder: Path) -> list[str]:
    return [path.name for path in (folder / "data" / "blobs").rglob("*") if path.is_file()]


def test_the_audio_is_there_before_the_row_and_the_row_before_the_answer(tmp_path: Path) -> None:
    opened: list[Database] = []
    crash = Noted(lambda: (files(tmp_path), len(opened[0].read_now(lambda c: list_jobs(c, None)).jobs)))

    async def run() -> None:
        async with intake(tmp_path, crash) as (way_in, database):
            opened.append(database)
            assert (await way_in.upload(JobRequest(), "a.wav", io.BytesIO(b"sound"))).created

    asyncio.run(run())
    assert crash.seen == [(Point.UPLOAD_STORED, (["0-audio"], 0)), (Point.JOB_CREATED, (["0-audio"], 1))]


@pytest.mark.parametrize(("data", "error"), [(b"", EmptyUpload), (b"x" * 1001, UploadTooLarge)])
def test_what_is_refused_leaves_nothing(tmp_path: Path, data: bytes, error: type[Exception]) -> None:
    async def run() -> None:
        async with intake(tmp_path) as (way_in, _):
            with pytest.raises(error):
                await way_in.upload(JobRequest(key="k"), "a.wav", io.BytesIO(data))
            assert files(tmp_path) == []
            assert (await way_in.upload(JobRequest(key="k"), "a.wav", io.BytesIO(b"sound"))).created

    asyncio.run(run())


def test_a_database_that_refuses_leaves_no_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        async with intake(tmp_path) as (way_in, database):
            write = database.write

            async def refuse(query: Any) -> Any:
                if files(tmp_path):
                    raise DatabaseUnavailable("The database is away.")
                return await write(query)

            monkeypatch.setattr(database, "write", refuse)
            with pytest.raises(DatabaseUnavailable):
                await way_in.upload(JobRequest(), "a.wav", io.BytesIO(b"sound"))
            assert files(tmp_path) == []

    asyncio.run(run())


def test_a_caller_that_is_cancelled_while_the_row_is_written_tears_nothing_apart(tmp_path: Path) -> None:
    """The write goes to its end: the job is there with its audio, or neither is."""

    async def run() -> None:
        async with intake(tmp_path) as (way_in, database):
            held = threading.Event()
            blocker = asyncio.create_task(database.write(lambda conn: held.wait(20)))
            caller = asyncio.create_task(way_in.upload(JobRequest(), "a.wav", io.BytesIO(b"sound")))
            while files(tmp_path) != ["0-audio"]:
                await asyncio.sleep(0.01)
            caller.cancel()
            await asyncio.sleep(0)
            held.set()
            await blocker
            with pytest.raises(asyncio.CancelledError):
                await caller
            [job] = (await database.read(lambda conn: list_jobs(conn, None))).jobs
            assert job.audio is not None
            assert (tmp_path / "data" / "blobs" / job.audio.name).read_bytes() == b"sound"

    asyncio.run(run())


def test_a_loop_that_closes_while_the_row_is_written_keeps_the_audio(tmp_path: Path) -> None:
    """Nobody knows then whether the row is there, so the audio stays; without a row the sweeper takes it."""
    names: list[str] = []

    async def run() -> None:
        async with intake(tmp_path) as (way_in, database):
            held = threading.Event()
            threading.Timer(0.5, held.set).start()
            blocker = asyncio.create_task(database.write(lambda conn: held.wait(20)))
            async with way_in.begin_upload(LOCAL_OWNER) as upload:
                names.append(upload.name)
                await upload.write(b"sound")
                accepting = asyncio.create_task(upload.finish("a.wav", JobRequest()))
                while upload.state is not UploadState.IN_DOUBT:
                    await asyncio.sleep(0.01)
                for task in asyncio.all_tasks() - {asyncio.current_task(), blocker}:
                    task.cancel()  # as asyncio.run does with all tasks at its end
                await asyncio.gather(accepting, return_exceptions=True)
            await blocker

    asyncio.run(run())
    assert eventually(lambda: files(tmp_path)) == ["0-audio"]


def test_a_url_makes_a_job_without_audio(tmp_path: Path) -> None:
    async def run() -> None:
        async with intake(tmp_path) as (way_in, database):
            accepted = await way_in.url(JobRequest(metadata={"a": 1}), "https://example.org/a.wav")
            stored = await database.read(lambda conn: get_job(conn, LOCAL_OWNER, accepted.job.id))
            assert stored == accepted.job
            assert stored.audio is None

    asyncio.run(run())
