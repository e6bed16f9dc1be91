"""The creation of a job: its row, its first event and the wake-up for workers, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, insert

from dictograph.contract import Contract, JobLimits
from dictograph.job import Job, JobStatus, Options, Source, StoredAudio
from dictograph.store import events, outbox
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.compat.path_jobs import path_key
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job

_CREATE = insert(job).returning(*JOB_COLUMNS)


@dataclass(frozen=True, slots=True)
class NewJob:
    """The facts of a job at its creation. An upload comes with its audio, other sources come without. `needs` names
    the features that its worker must support, in one form for equal needs; "" when every version supports them."""

    id: str
    owner: str
    filename: str
    source: Source
    options: Options
    metadata: dict[str, Any] = field(default_factory=dict)
    contract: Contract = Contract.NATIVE
    limits: JobLimits = field(default_factory=JobLimits)
    description: str | None = None
    key_id: str | None = None
    webhook_url: str | None = None
    join_mark: str | None = None
    audio: StoredAudio | None = None
    priority: int = 0
    max_attempts: int = 3
    needs: str = ""


def create_job(conn: Connection, new: NewJob) -> Job:
    """Store a job that workers may claim at once."""
    now = read_clock(conn)
    row = conn.execute(_CREATE, first_values(new, now)).one()
    events.append(conn, new.id, 1, [("created", {})])
    outbox.dispatch(conn, row)
    return as_job(row)


def first_values(new: NewJob, now: float) -> dict[str, Any]:
    """Return the row of a job that is created at `now`, in seconds since 1970."""
    audio = new.audio
    return {
        "id": new.id,
        "owner": new.owner,
        "filename": new.filename,
        "url": new.source.location,
        "source_kind": str(new.source.kind),
        "status": JobStatus.PENDING,
        "creation_date": as_datetime(now),
        "update_date": as_datetime(now),
        "options": new.options.asked(),
        "metadata": new.metadata,
        "contract": new.contract.value,
        "limits": new.limits.as_dict(),
        "description": new.description,
        "key_id": new.key_id,
        "webhook_url": new.webhook_url,
        "join_mark": new.join_mark,
        "path_mark": path_key(new.source.location) if new.contract is Contract.PATH else None,
        "priority": new.priority,
        "max_attempts": new.max_attempts,
        "attempt": 0,
        "failures": 0,
        "last_seq": 1,
        "available_at": now,
        "alone": False,
        "claim_engine": new.options.engine,
        "claim_model": new.options.model or "",
        "claim_needs": new.needs,
        "audio_name": audio.name if audio else None,
        "audio_sha256": audio.sha256 if audio else None,
        "audio_size": audio.size if audio else None,
        "seconds_done": 0.0,
        "windows_done": 0,
        "windows_planned": 0,
        "plan_complete": False,
        "warnings": [],
        "events_pruned": False,
    }
