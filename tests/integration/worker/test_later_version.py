"""A worker beside rows of a later version: it starts, runs what it can, and leaves the rest to newer ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, update

from dictograph.job import JobStatus, Options, Source, SourceKind
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.outbox import enqueue
from dictograph.store.tables import job
from tests.audio_files import write_noise
from tests.integration.worker.worker_driver import application, rows, until, upload


def _make_later(conn: Connection) -> None:
    create_job(conn, NewJob("later", "local", "b.wav", Source(SourceKind.PATH, "/b.wav"), Options()))
    asked = {"options": {"accents": "split"}, "limits": {"max_words": 5}, "contract": "courier", "priority": 9}
    conn.execute(update(job).where(job.c.id == "later").values(asked))
    enqueue(conn, 1.0, job_id="later", destination="pigeon:7", message_id="p", payload={}, available_at=1.0)


def test_healthy_jobs_behind_it_are_run_and_it_waits(folder: Path) -> None:
    async def test() -> None:
        audio = write_noise(folder / "a.wav", 5, 1)
        for start in range(2):
            async with application(folder) as opened:
                if not start:
                    await opened.resources.database.write(_make_later)
                healthy = await upload(opened, audio)
                assert (
                    await opened.services.jobs.wait_until_ended(None, healthy.id, 120)
                ).status is JobStatus.COMPLETED
                await until(lambda: _was_put_off(folder))
                found = await opened.services.jobs.get(None, "later")
                assert (found.status, found.attempt, found.failures) == (JobStatus.PENDING, 0, 0)
                assert found.waits_for == "the option accents, the limit max_words"
                status = await opened.services.status.status(None)
                assert (status.unsupported, status.counts[JobStatus.PENDING]) == (1, 1)
            assert rows(folder, "SELECT destination FROM outbox") == [("pigeon:7",)]

    async def _was_put_off(folder: Path) -> bool:
        return rows(folder, "SELECT put_off_for IS NOT NULL FROM transcription_job WHERE id = 'later'") == [(1,)]

    asyncio.run(test())
