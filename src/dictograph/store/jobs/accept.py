"""The creation of a job: its row, its first event and the wake-up for workers, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
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


#: The fields that are the column of the same name, unchanged. A new field of this kind is stored by its name.
_AS_GIVEN = tuple(
    one.name for one in fields(NewJob) if one.name in job.c and one.name not in ("options", "limits", "contract")
)


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
        **{name: getattr(new, name) for name in _AS_GIVEN},
        "url": new.source.location,
        "source_kind": str(new.source.kind),
        "status": JobStatus.PENDING,
        "creation_date": as_datetime(now),
        "update_date": as_datetime(now),
        "options": new.options.asked(),
        "contract": new.contract.value,
        "limits": new.limits.as_dict(),
        "path_mark": path_key(new.source.location) if new.contract is Contract.PATH else None,
        "attempt": 0,
        "failures": 0,
        "last_seq": 1,
        "available_at": now,
        "alone": False,
        "claim_engine": new.options.engine,
        "claim_model": new.options.model or "",
        "claim_needs": new.needs or new.options.needs,
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
