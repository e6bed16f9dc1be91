"""The ends of an attempt: the job is completed, has failed, or is released."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, select

from dictograph.errors import DictographError
from dictograph.job import ErrorRecord, Job, JobStatus, Lease
from dictograph.store import events, outbox
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.jobs.ends import tell_end
from dictograph.store.jobs.lease import FENCED, RetryPolicy, end_attempt, fenced
from dictograph.store.jobs.rows import NO_ERROR, NO_LEASE, TIME_SPENT, as_job
from dictograph.store.tables import job, status_is, window

_PAGE = 64

_ENDED = FENCED.values(**TIME_SPENT)
_RESULTS = (
    select(window.c.number, window.c.result)
    .where(window.c.job_id == bindparam("of_job"), window.c.number > bindparam("last"), window.c.result.is_not(None))
    .order_by(window.c.number)
    .limit(_PAGE)
)


def complete(conn: Connection, lease: Lease) -> Job:
    """Complete a job whose windows are all committed, and store its text.

    Raises DictographError when windows are missing: that is a mistake of the caller.
    """
    text = _text(conn, lease.job_id)
    row = fenced(
        conn,
        lease,
        1,
        _ENDED,
        status=JobStatus.COMPLETED,
        result_text=text,
        finished_at=as_datetime(read_clock(conn)),
        alone=False,
        **NO_LEASE,
        **NO_ERROR,
    )
    if not row.plan_complete or row.windows_done != row.windows_planned:
        planned = row.windows_planned if row.plan_complete else "an unfinished plan"
        raise DictographError(f"Job {row.id} cannot be completed: {row.windows_done} windows of {planned} are done.")
    data = {"duration": row.duration, "windows": row.windows_done, "language": row.language}
    events.append(conn, row.id, row.last_seq, [("completed", data)])
    tell_end(conn, row, text)
    return as_job(row)


def fail(conn: Connection, lease: Lease, error: ErrorRecord, retryable: bool, policy: RetryPolicy) -> Job:
    """End a failed attempt. The job is tried again later if that may help and the budget allows it."""
    seen = fenced(conn, lease, 0)
    row = end_attempt(conn, seen, error, policy if retryable else None)
    assert row is not None, "the fence holds the row"
    return as_job(row)


def release(conn: Connection, lease: Lease) -> Job:
    """Give the job back without counting a failure: it keeps its windows and its place in the queue."""
    row = fenced(conn, lease, 1, _ENDED, status=JobStatus.PENDING, **NO_LEASE)
    events.append(conn, row.id, row.last_seq, [("released", {})])
    outbox.dispatch(conn, row)
    return as_job(row)


def release_unknown(conn: Connection, worker_id: str, tokens: Collection[str]) -> list[str]:
    """Release the jobs that this worker holds without knowing it, because the answer to its claim got lost. `tokens`
    are the leases that the worker knows. Returns the ids of the released jobs."""
    query = select(job.c.id, job.c.attempt, job.c.lease_token).where(
        status_is(JobStatus.PROCESSING), job.c.worker_id == worker_id, job.c.lease_token.not_in(list(tokens))
    )
    query = query.with_for_update(skip_locked=True)  # on PostgreSQL, a job that is being cancelled stays as it is
    unknown = [Lease(row.id, row.attempt, row.lease_token) for row in conn.execute(query)]
    return [release(conn, lease).id for lease in unknown]


def _text(conn: Connection, job_id: str) -> str:
    """Return the text of all windows, read a page at a time: results with words are many times longer."""
    parts: list[str] = []
    last = -1
    while rows := conn.execute(_RESULTS, {"of_job": job_id, "last": last}).all():
        for row in rows:
            parts.extend((segment.get("text") or "").strip() for segment in row.result.get("segments") or ())
        last = rows[-1].number
    return " ".join(part for part in parts if part)
