"""Requests that share a job: one that is equal to another under way, or just done, gets that one's job."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

from sqlalchemy import Connection, and_, func, not_, or_, select

from dictograph.errors import StorageUnavailable, kinds
from dictograph.job import Job, JobStatus
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.jobs.rows import JOB_COLUMNS, as_job
from dictograph.store.tables import job

#: So long after its end a job that was done is joined (s), if doing it again would give the same.
DONE_S = 3600.0

#: So long after its end one is joined that failed with what another attempt cannot help (s): long enough for a client
#: to come back for the reason, if it lost the answer.
FAILED_S = 60.0


def find_joined(conn: Connection, owner: str, mark: str, *older: str, repeatable: bool) -> Job | None:
    """The newest job that a request with this mark, or one of its `older` ones, is part of. Until the end of the
    transaction nobody else finds or makes one with the same mark, so that of two equal requests one makes the job and
    the other one finds it.

    `repeatable`: whether doing it again would give the same.
    """
    if conn.dialect.name == "postgresql":  # SQLite has one writer at a time
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(mark, 0))))
    now = read_clock(conn)
    # One whose audio could not be had may never get it, and who asks now may be bringing it again.
    without = and_(job.c.status == JobStatus.PENDING, func.coalesce(job.c.error_code, "") == StorageUnavailable.code)
    alive = and_(job.c.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]), not_(without))
    done = and_(job.c.status == JobStatus.COMPLETED, job.c.finished_at > as_datetime(now - DONE_S))
    in_vain = and_(
        job.c.status == JobStatus.FAILED,
        job.c.finished_at > as_datetime(now - FAILED_S),
        job.c.error_code.in_(_hopeless()),
    )
    query = select(*JOB_COLUMNS).where(
        job.c.join_mark.in_((mark, *older)), job.c.owner == owner, or_(alive, done, in_vain) if repeatable else alive
    )
    newest = query.order_by(job.c.creation_date.desc(), job.c.id.desc()).limit(1)
    # Nobody deletes it before what refers to it is committed (on SQLite nobody else writes meanwhile).
    row = conn.execute(newest.with_for_update(read=True, key_share=True)).one_or_none()
    return None if row is None else as_job(row)


@cache
def _hopeless() -> Collection[str]:
    """The codes of errors that another attempt cannot help."""
    retryable = {kind.code for kind in kinds() if kind.retryable}
    return {kind.code for kind in kinds()} - retryable
