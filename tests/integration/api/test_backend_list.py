"""The backend contract's list of jobs: each has its text, which may be hours long, and never are all in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, update

from dictograph.api.backend import jobs as listing
from dictograph.api.backend.views import job_shape
from dictograph.api.error_responses import Json
from dictograph.contract import Contract
from dictograph.errors import DatabaseUnavailable
from dictograph.job import Job, Options, Source, SourceKind, StoredAudio
from dictograph.service import jobs as service_jobs
from dictograph.store import tables
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.read import get_job
from dictograph.store.texts import texts
from tests.integration.api.live import FakeWorker, Live, live

READ = "/api/v1/job/read"
MANY = 45


@pytest.fixture
def api(tmp_path: Path, migrated: Path) -> Iterator[Live]:
    with live(tmp_path, migrated=migrated, anonymous="backend") as one:
        yield one


@pytest.fixture
def jobs(hand: FakeWorker) -> list[Job]:
    """Completed ones, the newest first, as they are listed."""
    return [hand.database.write_now(partial(completed, number=number)) for number in range(MANY)][::-1]


def completed(conn: Connection, number: int) -> Job:
    audio = StoredAudio(f"{number}/0-audio", "0" * 64, 1)
    source = Source(SourceKind.UPLOAD)
    new = NewJob(f"job-{number}", "backend", "ä.wav", source, Options(), contract=Contract.BACKEND, audio=audio)
    create_job(conn, new)
    said = {"status": "completed", "result_text": text_of(new.id)}
    conn.execute(update(tables.job).where(tables.job.c.id == new.id).values(said))
    return get_job(conn, None, new.id)


def text_of(job_id: str) -> str:
    return f'„{job_id}“ said: "[]," and a line\n of it 🎵'


def test_it_comes_bit_by_bit_and_is_what_it_would_be_in_one_piece(
    api: Live, jobs: list[Job], client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(conn: Connection, job_ids: Sequence[str]) -> dict[str, str | None]:
        asked.append(len(job_ids))
        return texts(conn, job_ids)

    monkeypatch.setattr(service_jobs, "texts", counted)
    for limit in (1000, MANY, 20, 1):
        answer = client.get(READ, params={"limit": limit})
        whole = Json([job_shape(job, text_of(job.id), api.base) for job in jobs[:limit]])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert answer.content == whole.body
        assert ("next" in answer.links) == (limit < MANY)
    assert asked == [20, 20, 5, 20, 20, 5, 20, 1]


def test_a_list_of_nothing(client: httpx.Client) -> None:
    answer = client.get(READ)
    assert (answer.status_code, answer.content) == (200, b"[]")


def test_one_that_the_database_breaks_off_is_not_taken_for_whole(
    jobs: list[Job], client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(conn: Connection, job_ids: Sequence[str]) -> dict[str, str | None]:
        if jobs[20].id in job_ids:
            raise DatabaseUnavailable("it went away")
        return texts(conn, job_ids)

    monkeypatch.setattr(service_jobs, "texts", gone)
    with pytest.raises(httpx.RemoteProtocolError):
        client.get(READ)
    assert len(json.loads(client.get(READ, params={"limit": listing._TEXTS_AT_ONCE}).content)) == 20
