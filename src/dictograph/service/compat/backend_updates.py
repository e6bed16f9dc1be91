"""The `job_update` objects of the backend's contract: what its WebSocket sends, and what a channel of Redis gets."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select

from dictograph.contract import Contract
from dictograph.job import Job, JobStatus
from dictograph.settings.model import Settings
from dictograph.store import changes, outbox
from dictograph.store.clock import read_clock
from dictograph.store.database import Database
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job as job_table

_MESSAGES = {
    JobStatus.PENDING: "Waiting in the queue",
    JobStatus.PROCESSING: "Transcription in progress",
    JobStatus.COMPLETED: "Transcription completed",
}
_CANCELLED = "The job was cancelled."
_FAILED = "The job failed."

#: The most jobs whose last progress is remembered.
_MOST = 10_000


def update_frame(job: Job, text: str | None) -> dict[str, Any]:
    """Return the frame with a job's state. It has the result as well when the job has ended."""
    shape: dict[str, Any] = {
        "type": "job_update",
        "job_id": job.id,
        "status": status_of(job).value,
        "progress": percent(job),
        "message": reason(job) or _MESSAGES[job.status],
    }
    if job.status.ended:
        shape |= {
            "result": text if job.status is JobStatus.COMPLETED else None,
            "language": job.language,
            "language_probability": job.language_probability,
            "processing_time": job.processing_seconds,
        }
    if (why := reason(job)) is not None:
        shape["error"] = why
    return shape


def failed_frame(job_id: str, why: str) -> dict[str, Any]:
    """Return the frame for a job that does not exist. For a page, such a job has failed."""
    return {
        "type": "job_update",
        "job_id": job_id,
        "status": JobStatus.FAILED.value,
        "progress": 0,
        "message": why,
        "error": why,
        "result": None,
        "language": None,
        "language_probability": None,
        "processing_time": None,
    }


def as_text(frame: Mapping[str, Any]) -> str:
    """Return a frame as it is sent."""
    return json.dumps(frame, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace").decode()


def status_of(job: Job) -> JobStatus:
    """Return the status as this contract knows it: a cancelled job has failed."""
    return JobStatus.FAILED if job.status is JobStatus.CANCELLED else job.status


def reason(job: Job) -> str | None:
    """Return the reason why a job failed or was cancelled; else None."""
    if job.status is JobStatus.CANCELLED:
        return _CANCELLED
    if job.status is JobStatus.FAILED:
        return (job.error.message if job.error else "") or _FAILED
    return None


def percent(job: Job) -> int:
    """Return the percentage of the audio that is done: a whole number from 0 to 100."""
    return int(job.progress * 100)


class Updates:
    """Enqueues an update for each change of a job of this contract, in the transaction of the change. While a job is
    run, only a change of its progress by a whole percent is one."""

    def __init__(self) -> None:
        self._progress: dict[str, tuple[int, int, int]] = {}

    def __call__(self, conn: Connection, job_ids: Collection[str]) -> None:
        """Enqueue the updates of jobs whose event log the transaction has extended."""
        wanted = (job_table.c.id.in_(job_ids), job_table.c.contract == Contract.BACKEND.value)
        for row in conn.execute(select(*JOB_COLUMNS).where(*wanted)).all():
            job = as_job(row)
            if self._is_news(job):
                _enqueue(conn, job)

    def _is_news(self, job: Job) -> bool:
        if job.status is not JobStatus.PROCESSING:
            self._progress.pop(job.id, None)
            return True
        attempt, before, seq = self._progress.get(job.id, (0, 0, 0))
        if (attempt, before) == (job.attempt, percent(job)) and job.last_seq > seq:
            return False
        # A transaction that is undone and run again has the same number: its update counts then.
        if len(self._progress) >= _MOST:
            self._progress.clear()
        self._progress[job.id] = (job.attempt, percent(job), job.last_seq)
        return True


def _enqueue(conn: Connection, job: Job) -> None:
    now = read_clock(conn)
    changes.of_message(conn)
    outbox.enqueue(
        conn,
        now,
        job_id=job.id,
        destination=outbox.CHANNEL,
        message_id=f"{job.id}:{outbox.CHANNEL}:{job.last_seq}",
        payload={"update": update_frame(job, None)},
        available_at=now,
    )


def tell_changes(settings: Settings, database: Database) -> None:
    """Have this process enqueue updates for the channel of Redis, where the settings name one."""
    if settings.redis_url and settings.redis_channel:
        database.before_commit(Updates())
