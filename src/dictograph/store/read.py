"""What is asked about jobs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select, tuple_

from dictograph.errors import InvalidRequest
from dictograph.job import Job, JobStatus, StoredAudio
from dictograph.store.progress import StoredWindow
from dictograph.store.rows import JOB_COLUMNS, JobRow, as_job, find
from dictograph.store.tables import job, status_is, window


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first, and where the next ones begin; None when there are no more."""

    jobs: list[Job]
    next_cursor: str | None


def get_job(conn: Connection, owner: str | None, job_id: str) -> Job:
    """The job. Raises NotFound when it is not there, or somebody else's (unless `owner` is None)."""
    return as_job(find(conn, owner, job_id))


def stored_audio(conn: Connection, after: str, limit: int) -> list[StoredAudio]:
    """The audio of all jobs that still have theirs, by name, at most `limit` after the name `after`."""
    question = (
        select(job.c.audio_name, job.c.audio_sha256, job.c.audio_size)
        .where(job.c.audio_name > after)
        .order_by(job.c.audio_name)
        .limit(limit)
    )
    return [StoredAudio(row.audio_name, row.audio_sha256, row.audio_size) for row in conn.execute(question)]


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
    """A page of jobs, newest first; `dead` gives only those whose retry budget is spent.

    Jobs that come in while pages are turned change no later page. Raises InvalidRequest for a
    cursor that this function did not give.
    """
    wanted = [JobStatus.FAILED] if dead else list(dict.fromkeys(statuses))
    conditions: list[ColumnElement[bool] | None] = [
        job.c.owner == owner if owner is not None else None,
        _in_state(wanted) if wanted else None,
        job.c.failures >= job.c.max_attempts if dead else None,
        job.c.creation_date > created_after if created_after else None,
        job.c.creation_date < created_before if created_before else None,
        _older_than(cursor) if cursor else None,
    ]
    question = (
        select(*JOB_COLUMNS)
        .where(*(condition for condition in conditions if condition is not None))
        .order_by(job.c.creation_date.desc(), job.c.id.desc())
        .limit(limit + 1)
    )
    rows = conn.execute(question).all()
    more = len(rows) > limit
    return Page([as_job(row) for row in rows[:limit]], _cursor(rows[limit - 1]) if more else None)


def windows(
    conn: Connection, job_id: str, after_index: int = -1, limit: int = 64, committed_only: bool = False
) -> list[StoredWindow]:
    """The job's windows above `after_index`, in order, at most `limit`."""
    question = select(window).where(window.c.job_id == job_id, window.c.number > after_index)
    if committed_only:
        question = question.where(window.c.result.is_not(None))
    rows = conn.execute(question.order_by(window.c.number).limit(limit))
    return [StoredWindow(row.number, row.start_s, row.end_s, row.sha256, row.result) for row in rows]


def queue_position(conn: Connection, job_id: str) -> int | None:
    """How many pending jobs are to be run until this one is, itself included (1 is next); None when
    it is not pending. Fairness between owners is left out of the count."""
    mine = conn.execute(select(*JOB_COLUMNS).where(job.c.id == job_id, status_is(JobStatus.PENDING))).one_or_none()
    if mine is None:
        return None
    older = tuple_(job.c.available_at, job.c.id) < tuple_(mine.available_at, mine.id)
    before = or_(job.c.priority > mine.priority, (job.c.priority == mine.priority) & older)
    question = select(func.count()).where(status_is(JobStatus.PENDING), before)
    return int(conn.execute(question).scalar_one()) + 1


def queue_order(conn: Connection, limit: int) -> list[str]:
    """The ids of the pending jobs in the order of `queue_position`, at most `limit`."""
    question = select(job.c.id).where(status_is(JobStatus.PENDING))
    return list(
        conn.execute(question.order_by(job.c.priority.desc(), job.c.available_at, job.c.id).limit(limit)).scalars()
    )


def counts(conn: Connection, owner: str | None = None) -> dict[JobStatus, int]:
    """How many jobs there are in each state; all states are there."""
    question = select(job.c.status, func.count().label("jobs")).group_by(job.c.status)
    if owner is not None:
        question = question.where(job.c.owner == owner)
    return dict.fromkeys(JobStatus, 0) | {row.status: row.jobs for row in conn.execute(question)}


def live_counts(conn: Connection, owner: str | None = None) -> dict[JobStatus, int]:
    """How many jobs wait and how many run, by indexes that hold no others: the same cost whatever has ended."""
    columns = {JobStatus.PENDING: job.c.queued_owner, JobStatus.PROCESSING: job.c.running_owner}
    return {
        status: int(conn.execute(select(func.count()).where(_belongs_to(column, owner))).scalar_one())
        for status, column in columns.items()
    }


def _belongs_to(column: ColumnElement[str | None], owner: str | None) -> ColumnElement[bool]:
    return column.is_not(None) if owner is None else column == owner


def _in_state(wanted: Sequence[JobStatus]) -> ColumnElement[bool]:
    return status_is(wanted[0]) if len(wanted) == 1 else job.c.status.in_(wanted)


def _cursor(row: JobRow) -> str:
    place = json.dumps([row.creation_date.isoformat(), row.id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _older_than(cursor: str) -> ColumnElement[bool]:
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        created, id = datetime.fromisoformat(place[0]), str(place[1])
        if created.tzinfo is None:
            raise ValueError("a time without a zone")
        created = created.astimezone(UTC)  # OverflowError: a forged one, before the first year there is
    except (ValueError, TypeError, LookupError, OverflowError) as error:
        raise InvalidRequest("The cursor is not one of this list; leave it out to begin anew.") from error
    return or_(job.c.creation_date < created, (job.c.creation_date == created) & (job.c.id < id))
