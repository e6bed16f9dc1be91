"""A row of the job table, as a `Job`, and the ways to change one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Row, bindparam, case, cast, func, select, update

from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import ErrorRecord, FrozenEngine, Job, JobStatus, Source, SourceKind, StoredAudio
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.tables import job
from dictograph.store.tolerant import known_or_text, read_limits, read_options

JobRow = Row[*tuple[Any, ...]]

#: What a `Job` is made of: everything but the text, which may be long, and what serves the indexes.
JOB_COLUMNS = [column for column in job.c if column.name != "result_text" and column.computed is None]

#: Nobody holds the job.
NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None, "worker_id": None, "claimed_at": None}

#: Nothing went wrong, or it no longer matters.
NO_ERROR: dict[str, Any] = {"error_code": None, "error_message": None, "error_stage": None}

#: Nothing when no attempt was under way, or when the clock was set back in the middle of it.
_SPENT: ColumnElement[float] = func.coalesce(job.c.processing_seconds, 0.0) + case(
    (now_epoch() > job.c.claimed_at, now_epoch() - job.c.claimed_at), else_=0.0
)

#: What an attempt that ends adds to the time that was spent on its job.
TIME_SPENT: dict[str, Any] = {
    "processing_seconds": _SPENT,
    "processing_time_seconds": cast(func.round(_SPENT), Integer),
}


_ONE = select(*JOB_COLUMNS).where(job.c.id == bindparam("of_job"))
_OF_OWNER = _ONE.where(job.c.owner == bindparam("of_owner"))


def as_job(row: JobRow) -> Job:
    """The row as the rest of the program knows it. It is read whatever a later version wrote into it."""
    options, unknown_options = read_options(row.options)
    limits, unknown_limits = read_limits(row.limits)
    return Job(
        id=row.id,
        owner=row.owner,
        filename=row.filename,
        status=row.status,
        source=Source(known_or_text(SourceKind, row.source_kind), row.url),
        options=options,
        created_at=row.creation_date,
        updated_at=row.update_date,
        metadata=row.metadata,
        contract=known_or_text(Contract, row.contract),
        limits=limits,
        description=row.description,
        key_id=row.key_id,
        webhook_url=row.webhook_url,
        priority=row.priority,
        audio=StoredAudio(row.audio_name, row.audio_sha256, row.audio_size) if row.audio_name else None,
        attempt=row.attempt,
        failures=row.failures,
        max_attempts=row.max_attempts,
        last_seq=row.last_seq,
        frozen=_frozen(row),
        language=row.language,
        language_probability=row.language_probability,
        duration=row.duration,
        seconds_done=row.seconds_done,
        windows_done=row.windows_done,
        windows_planned=row.windows_planned,
        plan_complete=row.plan_complete,
        rules=row.rules,
        processing_seconds=row.processing_seconds,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=ErrorRecord(row.error_code, row.error_message, row.error_stage) if row.error_code else None,
        warnings=tuple(row.warnings),
        unknown_options=unknown_options,
        unknown_limits=unknown_limits,
        needs=row.claim_needs,
        put_off_for=row.put_off_for,
    )


def _frozen(row: JobRow) -> FrozenEngine | None:
    if row.frozen_engine is None:
        return None
    return FrozenEngine(row.frozen_engine, row.frozen_model, row.frozen_revision)


def error_values(error: ErrorRecord) -> dict[str, Any]:
    """The columns that hold an error."""
    return {"error_code": error.code, "error_message": error.message, "error_stage": error.stage}


def find(conn: Connection, owner: str | None, job_id: str, *, locked: bool = False) -> JobRow:
    """The job's row. Raises NotFound when it is not there or, unless `owner` is None, somebody else's.

    `locked`: nobody else may change it until the end of the transaction.
    """
    query = _ONE if owner is None else _OF_OWNER
    if locked:
        query = query.with_for_update()
    row = conn.execute(query, {"of_job": job_id, "of_owner": owner}).one_or_none()
    if row is None:
        raise NotFound(f"There is no job {job_id}.")
    return row


def transition(conn: Connection, seen: JobRow, status: JobStatus, events: int, **values: Any) -> JobRow | None:
    """Change a row that is still as it was seen, and reserve the numbers of so many events.

    Returns the new row, whose `last_seq` is the last of them; None when somebody was quicker.
    """
    change = (
        update(job)
        .where(job.c.id == seen.id, job.c.status == seen.status, job.c.attempt == seen.attempt)
        .values(status=status, last_seq=job.c.last_seq + events, update_date=as_datetime(read_clock(conn)), **values)
        .returning(*JOB_COLUMNS)
    )
    return conn.execute(change).one_or_none()
