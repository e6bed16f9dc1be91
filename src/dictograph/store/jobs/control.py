"""The actions of people on jobs. Owner None is the operator, who may act on the jobs of all owners."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, delete

from dictograph.errors import JobStateConflict, ResultOwed
from dictograph.job import Job, JobStatus, SourceKind
from dictograph.store import changes, events, outbox
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.compat import intakes
from dictograph.store.jobs.ends import tell_end
from dictograph.store.jobs.rows import NO_ERROR, NO_LEASE, TIME_SPENT, JobRow, as_job, find, transition
from dictograph.store.tables import job


def cancel(conn: Connection, owner: str | None, job_id: str) -> Job:
    """Stop a job. The worker that runs it loses its lease with this write.

    Raises NotFound, or JobStateConflict when the job has ended already.
    """
    row = _change(conn, owner, job_id, _cancel)
    events.append(conn, row.id, row.last_seq, [("cancelled", {})])
    tell_end(conn, row)
    return as_job(row)


def retry(conn: Connection, owner: str | None, job_id: str) -> Job:
    """Run a failed or cancelled job again, from its last committed window, with a full retry budget.

    Raises NotFound, or JobStateConflict when the job is not failed or cancelled, or its upload is no longer kept.
    """
    row = _change(conn, owner, job_id, _retry)
    events.append(conn, row.id, row.last_seq, [("retried", {})])
    outbox.dispatch(conn, row)
    return as_job(row)


def remove(conn: Connection, owner: str | None, job_id: str, *, force: bool = False) -> Job:
    """Remove a job with its windows, events and messages; returns it, so that the caller can remove its audio.

    With `force` also a job that owes its sender a result: nobody gets one.

    Raises:
        ResultOwed: the job owes its sender a result.
    """
    row = find(conn, owner, job_id, locked=True)
    if not force and intakes.owes(conn, job_id, ended=row.status.ended):
        raise ResultOwed(
            f"Job {job_id} still owes its sender a result: "
            + ("it goes out soon." if row.status.ended else "wait for its end, or cancel it first.")
        )
    conn.execute(delete(job).where(job.c.id == row.id))  # its other rows go by ON DELETE CASCADE
    changes.of_job(conn, row.id)
    return as_job(row)


def _change(
    conn: Connection, owner: str | None, job_id: str, change: Callable[[Connection, JobRow], JobRow | None]
) -> JobRow:
    """Lock the job, then change it: no other process can change it in between."""
    row = change(conn, find(conn, owner, job_id, locked=True))
    assert row is not None, "the lock holds the row as it was seen"
    return row


def _cancel(conn: Connection, seen: JobRow) -> JobRow | None:
    if seen.status.ended:
        raise JobStateConflict(f"Job {seen.id} is {seen.status.value} already and cannot be cancelled.")
    now = as_datetime(read_clock(conn))
    return transition(conn, seen, JobStatus.CANCELLED, 1, finished_at=now, **NO_LEASE, **TIME_SPENT)


def _retry(conn: Connection, seen: JobRow) -> JobRow | None:
    if seen.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
        raise JobStateConflict(
            f"Job {seen.id} is {seen.status.value}; only a failed or cancelled job can be run again."
        )
    if seen.source_kind == SourceKind.UPLOAD.value and seen.audio_name is None:
        raise JobStateConflict(f"The audio of job {seen.id} is no longer kept; upload it again as a new job.")
    return transition(
        conn,
        seen,
        JobStatus.PENDING,
        1,
        failures=0,
        alone=False,
        available_at=now_epoch(),
        finished_at=None,
        events_pruned=False,
        **NO_ERROR,
    )
