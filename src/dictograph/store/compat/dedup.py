"""Requests that share a job: a request equal to one in progress, or just done, gets the same job."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from sqlalchemy import Connection, and_, func, not_, or_, select

from dictograph.errors import StorageUnavailable, kinds
from dictograph.job import Job, JobStatus
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job

#: How long after its end (s) a completed job is shared, if running it again would give the same.
DONE_S = 3600.0

#: How long after its end (s) a job is shared that failed with an error that another attempt cannot help. It is long
#: enough for a client that lost the answer to come back for the reason.
FAILED_S = 60.0


def find_joined(conn: Connection, owner: str, dedup_key: str, *older: str, repeatable: bool) -> Job | None:
    """Return the newest job that a request with this key, or one of its `older` keys, shares.

    Until the end of the transaction no other process finds or creates a job with the same key. So of two equal
    requests one creates the job and the other one finds it.

    `repeatable`: whether running the job again would give the same.
    """
    if conn.dialect.name == "postgresql":  # SQLite has one writer at a time
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(dedup_key, 0))))
    now = read_clock(conn)
    # A job whose audio could not be fetched may never get it, and the new request may bring the audio again.
    without = and_(job.c.status == JobStatus.PENDING, func.coalesce(job.c.error_code, "") == StorageUnavailable.code)
    alive = and_(job.c.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]), not_(without))
    done = and_(job.c.status == JobStatus.COMPLETED, job.c.finished_at > as_datetime(now - DONE_S))
    in_vain = and_(
        job.c.status == JobStatus.FAILED,
        job.c.finished_at > as_datetime(now - FAILED_S),
        job.c.error_code.in_(_hopeless()),
    )
    query = select(*JOB_COLUMNS).where(
        job.c.join_mark.in_((dedup_key, *older)),
        job.c.owner == owner,
        or_(alive, done, in_vain) if repeatable else alive,
    )
    newest = query.order_by(job.c.creation_date.desc(), job.c.id.desc()).limit(1)
    # The lock keeps the row until the rows that refer to it are committed (on SQLite no one else writes meanwhile).
    row = conn.execute(newest.with_for_update(read=True, key_share=True)).one_or_none()
    return None if row is None else as_job(row)


@cache
def _hopeless() -> Collection[str]:
    """Return the codes of errors that another attempt cannot help."""
    retryable = {kind.code for kind in kinds() if kind.retryable}
    return {kind.code for kind in kinds()} - retryable
