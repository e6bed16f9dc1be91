"""Rows of the job table: their conversion to a `Job`, and their changes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, bindparam, case, cast, func, select, update

from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import ErrorRecord, FrozenEngine, Job, JobStatus, Source, SourceKind, StoredAudio
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.tables import job
from dictograph.store.tolerant import known_or_text, read_limits, read_options

JobRow = Row[*tuple[Any, ...]]

#: The columns of a `Job`: all but the text, which may be long, and the columns for indexes.
JOB_COLUMNS = [column for column in job.c if column.name != "result_text" and column.computed is None]

#: The fields of a `Job` that are the column of the same name, unchanged. A new field of this kind is read by its name.
_AS_STORED = tuple(
    one.name
    for one in fields(Job)
    if one.name in job.c and one.name not in ("options", "limits", "contract", "warnings")
)

#: The values of a job that no worker holds.
NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None, "worker_id": None, "claimed_at": None}

#: The values of a job without an error, or whose error no longer matters.
NO_ERROR: dict[str, Any] = {"error_code": None, "error_message": None, "error_stage": None}

#: The current attempt adds nothing when there is none, or when the clock was set back during it.
_SPENT: ColumnElement[float] = func.coalesce(job.c.processing_seconds, 0.0) + case(
    (now_epoch() > job.c.claimed_at, now_epoch() - job.c.claimed_at), else_=0.0
)

#: The values that add the time of an ending attempt to the time spent on its job.
TIME_SPENT: dict[str, Any] = {
    "processing_seconds": _SPENT,
    "processing_time_seconds": cast(func.round(_SPENT), Integer),
}


_ONE = select(*JOB_COLUMNS).where(job.c.id == bindparam("of_job"))
_OF_OWNER = _ONE.where(job.c.owner == bindparam("of_owner"))


def as_job(row: JobRow) -> Job:
    """Return the row as a `Job`. Unknown values that a later version wrote are accepted."""
    options, unknown_options = read_options(row.options)
    limits, unknown_limits = read_limits(row.limits)
    return Job(
        source=Source(known_or_text(SourceKind, row.source_kind), row.url),
        options=options,
        unknown_options=unknown_options,
        created_at=row.creation_date,
        updated_at=row.update_date,
        contract=known_or_text(Contract, row.contract),
        limits=limits,
        unknown_limits=unknown_limits,
        audio=StoredAudio(row.audio_name, row.audio_sha256, row.audio_size) if row.audio_name else None,
        frozen=_frozen(row),
        error=ErrorRecord(row.error_code, row.error_message, row.error_stage) if row.error_code else None,
        warnings=tuple(row.warnings),
        needs=row.claim_needs,
        **{name: getattr(row, name) for name in _AS_STORED},
    )


def _frozen(row: JobRow) -> FrozenEngine | None:
    if row.frozen_engine is None:
        return None
    return FrozenEngine(row.frozen_engine, row.frozen_model, row.frozen_revision)


def error_values(error: ErrorRecord) -> dict[str, Any]:
    """Return the columns that hold an error."""
    return {"error_code": error.code, "error_message": error.message, "error_stage": error.stage}


def find(conn: Connection, owner: str | None, job_id: str, *, locked: bool = False) -> JobRow:
    """Return the job's row. Raises NotFound when it does not exist, or (unless `owner` is None) is another owner's.

    `locked`: no other transaction may change it until the end of this one.
    """
    query = _ONE if owner is None else _OF_OWNER
    if locked:
        query = query.with_for_update()
    row = conn.execute(query, {"of_job": job_id, "of_owner": owner}).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return row


def transition(conn: Connection, seen: JobRow, status: JobStatus, events: int, **values: Any) -> JobRow | None:
    """Change a row that has not changed since it was read, and reserve numbers for `events` events.

    Returns the new row, whose `last_seq` is the last of the numbers; None when another process was quicker.
    """
    change = (
        update(job)
        .where(job.c.id == seen.id, job.c.status == seen.status, job.c.attempt == seen.attempt)
        .values(status=status, last_seq=job.c.last_seq + events, update_date=as_datetime(read_clock(conn)), **values)
        .returning(*JOB_COLUMNS)
    )
    return conn.execute(change).one_or_none()
