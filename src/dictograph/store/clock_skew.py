"""Delays that have become too long because the database's clock was set back."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, or_, update

from dictograph.job import JobStatus
from dictograph.store.clock import read_clock
from dictograph.store.outbox import IS_ANNOUNCEMENT, IS_DISPATCH, IS_OWED, IS_WEBHOOK
from dictograph.store.tables import job, outbox, status_is
from dictograph.webhooks.schedule import LONGEST_WAIT_S

#: How far in the future a job may be available that never failed, in seconds: a clock's small corrections.
_CORRECTION_S = 1.0


def clamp_delays(conn: Connection, longest_retry_s: float, longest_resend_s: float) -> int:
    """End all delays that are longer than the longest possible one; returns the number of affected jobs.

    A job without a failure has no delay (one that was put off is checked once more). A job with failures waits at
    most `longest_retry_s`. A message waits as long as the job whose workers it wakes, or at most `longest_resend_s`
    when it could not be sent. A webhook waits as long as the webhooks' schedule says.
    """
    now = read_clock(conn)
    unfailed = and_(job.c.failures == 0, job.c.available_at > now + _CORRECTION_S)
    too_long = or_(unfailed, job.c.available_at > now + longest_retry_s)
    jobs = conn.execute(update(job).where(status_is(JobStatus.PENDING), too_long).values(available_at=now))
    longest = case((IS_WEBHOOK, LONGEST_WAIT_S), else_=max(longest_retry_s, longest_resend_s))
    known = or_(
        IS_DISPATCH, IS_WEBHOOK, IS_OWED, IS_ANNOUNCEMENT
    )  # only a later version knows how long another kind of message may wait
    conn.execute(update(outbox).where(known, outbox.c.available_at > now + longest).values(available_at=now))
    return jobs.rowcount
