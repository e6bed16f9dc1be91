"""A worker with all its parts, in this process, on the digest engine."""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from dictograph.audio import rules
from dictograph.bootstrap import Application, open_application
from dictograph.job import Job, JobStatus, Options
from dictograph.service.request import JobRequest
from dictograph.settings.loading import load
from dictograph.store.events import read_events
from dictograph.store.jobs.read import windows
from dictograph.store.tables import window
from dictograph.worker.attempt.outcome import RulesChanged
from tests.audio_files import write_noise
from tests.files import files_below
from tests.integration.worker.worker_driver import PLAIN, application, behave, until, upload


async def ended(opened: Application, job: Job, seconds: float = 30) -> Job:
    done = await opened.services.jobs.wait_until_ended(None, job.id, seconds)
    assert done.status.ended, done
    return done


async def event_types(opened: Application, job: Job) -> list[str]:
    return [e.type for e in await opened.resources.database.read(lambda c: read_events(c, job.id, 0))]


def test_an_upload_is_transcribed_window_by_window(folder: Path) -> None:
    async def test() -> None:
        async with application(folder) as opened:
            job = await ended(opened, await upload(opened, write_noise(folder / "a.wav", 70, 1)))
            assert (job.status, job.windows_done, job.duration, job.failures) == (JobStatus.COMPLETED, 3, 70.0, 0)
            types = await event_types(opened, job)
            assert types[:3] == ["created", "started", "engine"]
            told = [type for type in types if type != "plan"]
            assert told[-5:] == ["language", "segments", "segments", "segments", "completed"]
            assert not _decoded(folder)

    asyncio.run(test())


def test_a_path_is_copied_into_storage(folder: Path) -> None:
    async def test() -> None:
        audio = write_noise(folder / "a.wav", 10, 1)
        async with application(folder) as opened:
            accepted = await opened.services.intake.path(PLAIN, str(audio))
            job = await ended(opened, accepted.job)
            assert job.status is JobStatus.COMPLETED
            assert job.audio is not None
            async with opened.resources.blobs.local(job.audio, folder) as stored:
                assert stored.path.read_bytes() == audio.read_bytes()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("behaviour", "code", "says"),
    [
        ({"languages": ["en", "de"]}, "unsupported_by_engine", "name the language of the speech (de, en)"),
        ({"languages": ["en", "de"], "detects": {}}, "engine_failed", "named no language"),
    ],
)
def test_an_engine_that_cannot_tell_the_language_says_so(
    folder: Path, behaviour: dict[str, Any], code: str, says: str
) -> None:
    async def test() -> None:
        async with application(folder, max_attempts=1) as opened:
            job = await ended(opened, await upload(opened, write_noise(folder / "a.wav", 1, 1)))
            assert job.error is not None
            assert job.error.code == code
            assert says in job.error.message

    behave(folder, **behaviour)
    asyncio.run(test())


@contextmanager
def web_server(folder: Path) -> Iterator[int]:
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        return None


def test_a_url_is_fetched_where_that_is_allowed_and_nowhere_else(folder: Path) -> None:
    async def test(port: int) -> None:
        url = f"http://127.0.0.1:{port}/a.wav"
        async with application(folder, fetch_allow=[f"127.0.0.1:{port}"]) as opened:
            job = await ended(opened, (await opened.services.intake.url(PLAIN, url)).job)
            assert job.status is JobStatus.COMPLETED
        async with application(folder) as opened:
            job = await ended(opened, (await opened.services.intake.url(PLAIN, url)).job)
            assert (job.status, job.attempt) == (JobStatus.FAILED, 1)
            assert job.error is not None
            assert (job.error.code, job.error.stage) == ("address_not_allowed", "DOWNLOAD")
            assert await _stored_objects(opened, folder) == {job_audio_name(folder)}

    write_noise(folder / "a.wav", 10, 1)
    with web_server(folder) as port:
        asyncio.run(test(port))


def job_audio_name(folder: Path) -> str:
    """The one object there should be: that of the job that succeeded."""
    (path,) = files_below(folder / "data" / "blobs")
    return str(path.relative_to(folder / "data" / "blobs"))


async def _stored_objects(opened: Application, folder: Path) -> set[str]:
    return {name async for names in opened.resources.blobs.older_than(-60) for name in names}


def test_a_cancelled_job_stops_and_leaves_nothing_in_scratch(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        caplog.set_level("DEBUG", "dictograph.worker.attempt.resolution")
        async with application(folder) as opened:
            await until(lambda: _is_ready(opened))
            behave(folder, delay=30)
            job = await upload(opened, write_noise(folder / "a.wav", 70, 1))
            await until(lambda: _engine_is_busy(folder))
            await opened.services.jobs.cancel(None, job.id)
            await until(lambda: _nothing_runs(opened))
            assert (await opened.services.jobs.get(None, job.id)).status is JobStatus.CANCELLED
            assert "no longer ours" not in caplog.text, "it was not lost, somebody wanted that"
            assert f"job {job.id}: cancelled or deleted; attempt 1 ends" in caplog.messages
            assert not _decoded(folder)
            behave(folder)
            retried = await opened.services.jobs.retry(None, job.id)
            assert (await ended(opened, retried)).status is JobStatus.COMPLETED

    asyncio.run(test())


async def _is_ready(opened: Application) -> bool:
    return (await opened.services.status.readiness()).ready


async def _engine_is_busy(folder: Path) -> bool:
    return bool(_decoded(folder))


def _decoded(folder: Path) -> list[Path]:
    return [path for path in files_below(folder / "data" / "scratch") if path.suffix == ".pcm"]


async def _nothing_runs(opened: Application) -> bool:
    assert opened.worker is not None
    return opened.worker.state()["running"] == 0


def test_a_job_begun_under_other_rules_starts_again_by_that_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade of Dictograph between two attempts: followers are told."""

    async def test() -> None:
        audio = write_noise(folder / "a.wav", 130, 1)
        behave(folder, delay=0.3, max_batch=1)
        async with application(folder, shutdown_grace=1) as opened:
            job = await upload(opened, audio)
            await until(lambda: _windows_done(opened, job, 2))
        async with open_database(folder) as opened:
            begun = await opened.services.jobs.get(None, job.id)
            assert (begun.rules, begun.status, begun.windows_done >= 2) == (rules.RULES, JobStatus.PENDING, True)
        monkeypatch.setattr(rules, "RULES", "next")
        behave(folder)
        async with application(folder) as opened:
            done = await ended(opened, job)
            assert (done.status, done.rules, done.failures) == (JobStatus.COMPLETED, "next", 0)
            log = await opened.resources.database.read(lambda c: read_events(c, job.id, 0))
            [told] = [event.data for event in log if event.type == "restarted"]
            assert told == {"code": "rules_changed", "reason": RulesChanged.reason}
            segments = [event.data["index"] for event in log if event.type == "segments"]
            assert segments[-done.windows_done :] == list(range(done.windows_done)), "all windows come again"

    asyncio.run(test())


def test_audio_that_decodes_to_other_samples_is_done_again_from_the_start(folder: Path) -> None:
    """As after an upgrade of the decoder between two attempts: followers are told."""

    async def test() -> None:
        audio = write_noise(folder / "a.wav", 130, 1)
        behave(folder, delay=0.3, max_batch=1)
        async with application(folder, shutdown_grace=1) as opened:
            job = await upload(opened, audio)
            await until(lambda: _windows_done(opened, job, 2))
        async with open_database(folder) as opened:
            first = windows_of(job)
            before = await opened.resources.database.read(first)
            change = update(window).where(window.c.job_id == job.id, window.c.number == 0).values(sha256="0" * 64)
            await opened.resources.database.write(lambda c: c.execute(change) and None)
        behave(folder)
        async with application(folder) as opened:
            done = await ended(opened, job)
            assert done.status is JobStatus.COMPLETED
            types = await event_types(opened, job)
            assert types.count("restarted") == 1
            after = await opened.resources.database.read(first)
            assert [w.sha256 for w in after][1:] == [w.sha256 for w in before][1 : len(after)] or len(before) < len(
                after
            )
            assert all(w.result for w in after)

    asyncio.run(test())


@asynccontextmanager
async def open_database(folder: Path) -> AsyncIterator[Application]:
    values = {"data_dir": folder / "data", "engine": "sphinx"}
    async with open_application(load(values, environment={}, folder=folder).settings, worker=False) as opened:
        yield opened


def windows_of(job: Job) -> Callable[[Any], Any]:
    return lambda connection: windows(connection, job.id, -1, 100)


async def _windows_done(opened: Application, job: Job, count: int) -> bool:
    return (await opened.services.jobs.get(None, job.id)).windows_done >= count


def test_a_released_job_resumes_after_its_last_committed_window(folder: Path) -> None:
    async def test() -> None:
        behave(folder, delay=0.3, max_batch=1)
        async with application(folder, shutdown_grace=2) as opened:
            job = await upload(opened, write_noise(folder / "a.wav", 130, 1))
            await until(lambda: _windows_done(opened, job, 2))
        behave(folder)
        async with application(folder) as opened:
            done = await ended(opened, job)
            assert (done.status, done.failures) == (JobStatus.COMPLETED, 0)
        log = (folder / "digest.log").read_text().split()
        assert len(log) - len(set(log)) <= 3, "windows were done twice: at most one batch, and the proofs of start-up"

    asyncio.run(test())


def test_what_was_kept_long_enough_is_removed_and_orphans_are_swept(folder: Path) -> None:
    async def test() -> None:
        settings = {"audio_retention": 1.0, "result_retention": 3.0, "orphan_age": 1.0}
        async with application(folder, **settings) as opened:
            stray = folder / "data" / "blobs" / "stray" / "0-audio"
            stray.parent.mkdir(parents=True)
            stray.write_bytes(b"nobody names this")
            os.utime(stray, (1, 1))
            job = await ended(opened, await upload(opened, write_noise(folder / "a.wav", 10, 1)))
            await until(lambda: _audio_is_gone(opened, job))
            await until(lambda: _no_file_is_left(folder / "data" / "blobs"))
            await until(lambda: _job_is_gone(opened, job))

    asyncio.run(test())


async def _audio_is_gone(opened: Application, job: Job) -> bool:
    return (await opened.services.jobs.get(None, job.id)).audio is None


async def _no_file_is_left(folder: Path) -> bool:
    return not files_below(folder)  # the row goes first, then the file


async def _job_is_gone(opened: Application, job: Job) -> bool:
    return not (await opened.services.jobs.page(None, _everything())).jobs


def _everything() -> Any:
    from dictograph.service.jobs import Listing

    return Listing()


def test_a_job_for_weights_that_cannot_be_had_fails_by_name(folder: Path) -> None:
    async def test() -> None:
        settings = {"engine": "whisper", "model": str(folder / "nothing-here"), "extra_engines": {}, "max_attempts": 1}
        async with application(folder, **settings) as opened:
            job = await ended(opened, await upload(opened, write_noise(folder / "a.wav", 10, 1)))
            assert job.error is not None
            assert (job.status, job.error.code, job.error.stage) == (
                JobStatus.FAILED,
                "model_unavailable",
                "TRANSCRIBE",
            )

    asyncio.run(test())


def test_a_language_that_the_engine_does_not_know_is_refused_by_name(folder: Path) -> None:
    async def test() -> None:
        async with application(folder, engine="sphinx", extra_engines={}) as opened:
            order = JobRequest(Options.model_validate({"language": "de"}))
            with write_noise(folder / "a.wav", 3, 1).open("rb") as data:
                accepted = await opened.services.intake.upload(order, "a.wav", data)
            job = await ended(opened, accepted.job)
            assert job.error is not None
            assert (job.status, job.attempt, job.error.code) == (JobStatus.FAILED, 1, "unsupported_by_engine")
            assert "'de'" in job.error.message

    asyncio.run(test())


def test_an_option_that_the_engine_cannot_heed_is_a_warning(folder: Path) -> None:
    async def test() -> None:
        async with application(folder, engine="sphinx", extra_engines={}) as opened:
            order = JobRequest(Options.model_validate({"hotwords": "dictograph"}))
            with write_noise(folder / "a.wav", 3, 1).open("rb") as data:
                accepted = await opened.services.intake.upload(order, "a.wav", data)
            job = await ended(opened, accepted.job)
            assert [(w["code"], "hotwords" in w["message"]) for w in job.warnings] == [
                ("option_ignored", True),
                ("no_words_found", False),
            ]

    asyncio.run(test())
