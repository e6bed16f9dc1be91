"""Waits that have become too long, because the database's clock was set back."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, or_, update

from dictograph.job import JobStatus
from dictograph.store.clock import read_clock
from dictograph.store.outbox import IS_DISPATCH, IS_WEBHOOK
from dictograph.store.tables import job, outbox, status_is
from dictograph.webhooks.schedule import LONGEST_WAIT_S

#: How far in the future a job may be available that never failed, in seconds: a clock's small corrections.
_CORRECTION_S = 1.0


def clamp_delays(conn: Connection, longest_retry_s: float, longest_resend_s: float) -> int:
    """End all waits that are longer than any was ever made; returns the number of such jobs.

    A job that has not failed waits for nothing (one that was put off is looked at once more), one that has at most
    `longest_retry_s`; a message waits as long as
    the job that it wakes workers for, or at most `longest_resend_s` when it could not be sent; a webhook as long as
    the schedule of these says.
    """
    now = read_clock(conn)
    unfailed = and_(job.c.failures == 0, job.c.available_at > now + _CORRECTION_S)
    too_long = or_(unfailed, job.c.available_at > now + longest_retry_s)
    jobs = conn.execute(update(job).where(status_is(JobStatus.PENDING), too_long).values(available_at=now))
    longest = case((IS_WEBHOOK, LONGEST_WAIT_S), else_=max(longest_retry_s, longest_resend_s))
    known = or_(IS_DISPATCH, IS_WEBHOOK)  # how long another message may wait, only a later version knows
    conn.execute(update(outbox).where(known, outbox.c.available_at > now + longest).values(available_at=now))
    return jobs.rowcount
