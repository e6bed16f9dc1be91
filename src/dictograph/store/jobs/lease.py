"""Leases: the fence before every write of a worker, their renewal, and the loss of a lease."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Update, bindparam, select, tuple_, update

from dictograph.contract import JobLimits
from dictograph.errors import LeaseLost, LostWorker
from dictograph.job import ErrorRecord, JobStatus, Lease, backoff_seconds
from dictograph.store import events, outbox
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.jobs.ends import tell_end
from dictograph.store.jobs.rows import JOB_COLUMNS, NO_LEASE, TIME_SPENT, JobRow, error_values, transition
from dictograph.store.tables import job, status_is
from dictograph.store.tolerant import read_limits

#: The change of a job's row as its worker may make it: see `fenced`.
FENCED = (
    update(job)
    .where(
        job.c.id == bindparam("of_job"),
        job.c.attempt == bindparam("of_attempt"),
        job.c.lease_token == bindparam("of_token"),
        job.c.status == JobStatus.PROCESSING,
    )
    .values(last_seq=job.c.last_seq + bindparam("events"))
    .returning(*JOB_COLUMNS)
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a job waits after a failure: `base` seconds, doubling, at most `cap`. After a temporary failure outside
    its worker (`outside`), it has `patience` seconds, if that is longer: see `patient`."""

    base: float
    cap: float
    patience: float = 0.0
    outside: bool = False

    @property
    def longest(self) -> float:
        """Return the longest possible wait, in seconds."""
        return max(self.cap, self.patience)

    def delay(self, failures: int) -> float:
        """Return the seconds to wait after this number of failures: random, between half and all of the delay."""
        return backoff_seconds(failures, self.base, self.cap, random.Random())

    def patient(self) -> RetryPolicy:
        """Return a policy whose waits bring the second and third attempt in about `patience` seconds."""
        return RetryPolicy(max(self.base, self.patience / 3), self.longest, outside=True)

    def within(self, limits: JobLimits) -> RetryPolicy:
        """Return the policy for a job with these limits. What is outside of the worker is no matter of its contract."""
        if self.outside:
            return self
        base = self.base if limits.backoff_base is None else limits.backoff_base
        return replace(self, base=base, cap=self.cap if limits.backoff_cap is None else limits.backoff_cap)


def fence(conn: Connection, lease: Lease, events: int, **values: Any) -> int:
    """Change the row of a job that this worker owns, and reserve numbers for `events` events.

    Returns the first of the numbers. Raises LeaseLost when the job is no longer this worker's.
    """
    return int(fenced(conn, lease, events, **values).last_seq) - events + 1


def fenced(conn: Connection, lease: Lease, events: int, change: Update = FENCED, **values: Any) -> JobRow:
    """Do the same as `fence`, but return the new row, whose `last_seq` is the number of the last event.

    `change` is FENCED, with the values that the database computes; `values` are all others, and its parameters.
    """
    owned = {"of_job": lease.job_id, "of_attempt": lease.attempt, "of_token": lease.token}
    now = as_datetime(read_clock(conn))
    row = conn.execute(change, {**owned, "events": events, "update_date": now, **values}).one_or_none()
    if row is None:
        raise LeaseLost(f"Attempt {lease.attempt} of job {lease.job_id} is over.")
    return row


def renew(conn: Connection, leases: Sequence[Lease], lease_seconds: float) -> set[str]:
    """Extend the leases from now on; returns the ids of the jobs that the worker still owns."""
    change = update(job).where(_is_held(leases)).values(lease_expires_at=now_epoch() + lease_seconds)
    return set(conn.execute(change.returning(job.c.id)).scalars())


def still_held(conn: Connection, leases: Sequence[Lease]) -> set[str]:
    """Return the ids of the jobs that the worker still owns. No lease is extended."""
    return set(conn.execute(select(job.c.id).where(_is_held(leases))).scalars())


def _is_held(leases: Sequence[Lease]) -> ColumnElement[bool]:
    held = [(lease.job_id, lease.attempt, lease.token) for lease in leases]
    owned = tuple_(job.c.id, job.c.attempt, job.c.lease_token).in_(held)
    return (job.c.status == JobStatus.PROCESSING) & job.c.id.in_([lease.job_id for lease in leases]) & owned


@dataclass(frozen=True, slots=True)
class HeldLease:
    """A lease of a running job: `ends` is by the database's clock, `left` is in seconds from now (below 0: past)."""

    job_id: str
    attempt: int
    ends: float
    left: float


def held_leases(conn: Connection) -> list[HeldLease]:
    """Return the leases of all running jobs, of all workers."""
    now = read_clock(conn)
    query = select(job.c.id, job.c.attempt, job.c.lease_expires_at).where(status_is(JobStatus.PROCESSING))
    return [
        HeldLease(row.id, row.attempt, row.lease_expires_at, row.lease_expires_at - now) for row in conn.execute(query)
    ]


def lose_silent(conn: Connection, silent: Sequence[HeldLease], policy: RetryPolicy) -> list[str]:
    """End the attempts whose leases have not changed since they were read; returns the ids of the jobs.

    A lease that was renewed in between is kept: its worker lives.
    """
    seen = [(one.job_id, one.attempt, one.ends) for one in silent]
    return _lose(conn, tuple_(job.c.id, job.c.attempt, job.c.lease_expires_at).in_(seen), policy)


def lose_of_workers(conn: Connection, worker_ids: Iterable[str], policy: RetryPolicy) -> list[str]:
    """End the attempts of workers that are known to be dead; returns the ids of the jobs."""
    return _lose(conn, job.c.worker_id.in_(list(worker_ids)), policy)


def _lose(conn: Connection, which: ColumnElement[bool], policy: RetryPolicy) -> list[str]:
    query = select(*JOB_COLUMNS).where(status_is(JobStatus.PROCESSING), which).order_by(job.c.lease_expires_at)
    query = query.with_for_update(skip_locked=True)  # on PostgreSQL, a lease that is being renewed stays
    record = ErrorRecord(LostWorker.code, "The worker that ran the job went away in the middle of an attempt.")
    return [
        str(seen.id)
        for seen in conn.execute(query).all()
        if end_attempt(conn, seen, record, policy, alone=True) is not None
    ]


def end_attempt(
    conn: Connection, seen: JobRow, error: ErrorRecord, policy: RetryPolicy | None, **values: Any
) -> JobRow | None:
    """End a failed attempt: the job waits for the next one, or fails for good when the budget is spent.

    `policy` is None when another attempt would not help. Returns the new row; None when the row has changed since
    it was read.
    """
    failures = seen.failures + 1
    values |= {"failures": failures, **NO_LEASE, **TIME_SPENT, **error_values(error)}
    if policy is None or failures >= seen.max_attempts:
        return _fail_for_good(conn, seen, error, values)
    delay = policy.within(read_limits(seen.limits)[0]).delay(failures)
    row = transition(conn, seen, JobStatus.PENDING, 1, available_at=now_epoch() + delay, **values)
    if row is not None:
        data = {"error": asdict(error), "failures": failures, "delay": round(delay, 3)}
        events.append(conn, row.id, row.last_seq, [("retrying", data)])
        outbox.dispatch(conn, row)
    return row


def _fail_for_good(conn: Connection, seen: JobRow, error: ErrorRecord, values: dict[str, Any]) -> JobRow | None:
    row = transition(conn, seen, JobStatus.FAILED, 1, finished_at=as_datetime(read_clock(conn)), **values)
    if row is not None:
        dead = row.failures >= row.max_attempts
        events.append(conn, row.id, row.last_seq, [("failed", {"error": asdict(error), "dead": dead})])
        tell_end(conn, row)
    return row
