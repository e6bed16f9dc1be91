"""Queries about jobs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, or_, select, tuple_, union_all

from dictograph.job import Job, JobStatus, SourceKind, StoredAudio
from dictograph.store.clock import read_clock
from dictograph.store.cursor import beyond, cursor_after
from dictograph.store.jobs.progress import StoredWindow
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job, find
from dictograph.store.tables import job, status_is, upload_slot, window

_WAITING = select(job.c.id, job.c.priority, job.c.available_at).where(
    job.c.id == bindparam("of_job"), status_is(JobStatus.PENDING)
)
_priority = bindparam("priority", type_=job.c.priority.type)
_older = tuple_(job.c.available_at, job.c.id) < tuple_(
    bindparam("available_at", type_=job.c.available_at.type), bindparam("id", type_=job.c.id.type)
)
_BEFORE = select(func.count()).where(
    status_is(JobStatus.PENDING), or_(job.c.priority > _priority, (job.c.priority == _priority) & _older)
)

_OF_STORED_AUDIO = (
    select(job.c.id)
    .where(
        or_(status_is(JobStatus.PENDING), status_is(JobStatus.PROCESSING)),
        or_(job.c.audio_name.is_not(None), job.c.source_kind == SourceKind.OBJECT.value),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and the cursor of the next page; None when there are no more."""

    jobs: list[Job]
    next_cursor: str | None


def get_job(conn: Connection, owner: str | None, job_id: str) -> Job:
    """Return the job. Raises NotFound when it does not exist, or (unless `owner` is None) belongs to another owner."""
    return as_job(find(conn, owner, job_id))


def stored_audio(conn: Connection, after: str, limit: int) -> list[StoredAudio]:
    """Return the stored audio of jobs, and uploads without a job yet, ordered by name: at most `limit` after the name
    `after`."""
    slot, audio = upload_slot.c, job.c
    of_jobs = select(audio.audio_name.label("name"), audio.audio_sha256.label("sha256"), audio.audio_size.label("size"))
    uploads = select(slot.object_name, slot.sha256, slot.size).where(slot.object_name > after, slot.size.is_not(None))
    some = [
        select(of_jobs.where(audio.audio_name > after).order_by(audio.audio_name).limit(limit).subquery()),
        select(uploads.order_by(slot.object_name).limit(limit).subquery()),
    ]
    both = union_all(*some).subquery()
    rows = conn.execute(select(both).order_by(both.c.name).limit(limit))
    return [StoredAudio(row.name, row.sha256, row.size) for row in rows]


def needs_stored_audio(conn: Connection) -> bool:
    """Return whether a waiting or running job has its audio in the storage."""
    return conn.execute(_OF_STORED_AUDIO).first() is not None


def list_jobs(
    conn: Connection,
    owner: str | None,
    statuses: Iterable[JobStatus] = (),
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    cursor: str | None = None,
    limit: int = 50,
    dead: bool = False,
) -> Page:
    """Return a page of jobs, newest first; `dead` gives only those whose retry budget is spent.

    Jobs that are created between two pages do not change later pages. Raises InvalidRequest for a cursor that this
    function did not give.
    """
    selected = [JobStatus.FAILED] if dead else list(dict.fromkeys(statuses))
    conditions: list[ColumnElement[bool] | None] = [
        job.c.owner == owner if owner is not None else None,
        _in_state(selected) if selected else None,
        job.c.failures >= job.c.max_attempts if dead else None,
        job.c.creation_date > created_after if created_after else None,
        job.c.creation_date < created_before if created_before else None,
        beyond(cursor, job.c.creation_date, job.c.id) if cursor else None,
    ]
    query = (
        select(*JOB_COLUMNS)
        .where(*(condition for condition in conditions if condition is not None))
        .order_by(job.c.creation_date.desc(), job.c.id.desc())
        .limit(limit + 1)
    )
    rows = conn.execute(query).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        [as_job(row) for row in rows[:limit]],
        cursor_after(last.creation_date, last.id) if last is not None else None,
    )


def windows(
    conn: Connection, job_id: str, after_index: int = -1, limit: int = 64, committed_only: bool = False
) -> list[StoredWindow]:
    """Return the job's windows above `after_index`, in order, at most `limit`."""
    query = select(window).where(window.c.job_id == job_id, window.c.number > after_index)
    if committed_only:
        query = query.where(window.c.result.is_not(None))
    rows = conn.execute(query.order_by(window.c.number).limit(limit))
    return [_stored_window(row) for row in rows]


def _stored_window(row: Row[Any]) -> StoredWindow:
    spans = None if row.spans is None else tuple((start, end) for start, end in row.spans)
    return StoredWindow(row.number, row.start_s, row.end_s, row.sha256, row.result, spans, row.channel)


def queue_position(conn: Connection, job_id: str) -> int | None:
    """Return the job's position among the pending jobs (1 is next); None when it is not pending. Fairness between
    owners is left out of the count."""
    mine = conn.execute(_WAITING, {"of_job": job_id}).one_or_none()
    return None if mine is None else int(conn.execute(_BEFORE, mine._asdict()).scalar_one()) + 1


def queue_order(conn: Connection, limit: int) -> list[str]:
    """Return the ids of the pending jobs in the order of `queue_position`, at most `limit`."""
    query = select(job.c.id).where(status_is(JobStatus.PENDING))
    return list(
        conn.execute(query.order_by(job.c.priority.desc(), job.c.available_at, job.c.id).limit(limit)).scalars()
    )


def counts(conn: Connection, owner: str | None = None) -> dict[JobStatus, int]:
    """Return the number of jobs in each state; all states are present."""
    query = select(job.c.status, func.count().label("jobs")).group_by(job.c.status)
    if owner is not None:
        query = query.where(job.c.owner == owner)
    return dict.fromkeys(JobStatus, 0) | {row.status: row.jobs for row in conn.execute(query)}


def live_counts(conn: Connection, owner: str | None = None) -> dict[JobStatus, int]:
    """Return the numbers of waiting and running jobs. Their indexes hold no others: ended jobs add no cost."""
    columns = {JobStatus.PENDING: job.c.queued_owner, JobStatus.PROCESSING: job.c.running_owner}
    return {
        status: int(conn.execute(select(func.count()).where(_belongs_to(column, owner))).scalar_one())
        for status, column in columns.items()
    }


def oldest_wait(conn: Connection, owner: str | None = None) -> float:
    """Return how long the job has waited that waits longest, in seconds; 0 when none waits. A job that waits for its
    next attempt does not wait for a worker."""
    query = select(func.min(job.c.available_at)).where(_belongs_to(job.c.queued_owner, owner))
    first = conn.execute(query).scalar_one()
    return 0.0 if first is None else max(read_clock(conn) - float(first), 0.0)


def unsupported_count(conn: Connection, owner: str | None, needs: Iterable[str]) -> int:
    """Count the jobs that wait for a worker with the features they need; `needs` are the supported ones."""
    mine, known = _belongs_to(job.c.queued_owner, owner), job.c.claim_needs.in_(sorted(needs))
    # Two counts: the index of the claim holds every column of the first; the second has an index with no other rows.
    counts = (
        select(func.count()).where(mine, ~known),
        select(func.count()).where(mine, job.c.put_off_for.is_not(None), known),
    )
    return sum(int(conn.execute(count).scalar_one()) for count in counts)


def _belongs_to(column: ColumnElement[str | None], owner: str | None) -> ColumnElement[bool]:
    return column.is_not(None) if owner is None else column == owner


def _in_state(statuses: Sequence[JobStatus]) -> ColumnElement[bool]:
    return status_is(statuses[0]) if len(statuses) == 1 else job.c.status.in_(statuses)
