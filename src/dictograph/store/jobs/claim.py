"""The claim: the choice of the job that a worker runs next.

A job that asks for a feature that this version does not know is put off, without a failure, and the next one is taken.
A newer worker may come. This one must neither run the job in another way than it asks, nor fail it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, Update, bindparam, case, func, literal, select, tuple_, update

from dictograph.job import KNOWN_NEEDS, Job, JobStatus, Lease
from dictograph.store import events
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.jobs.candidates import Runnable, cached_statement, candidates, claimable
from dictograph.store.jobs.rows import JOB_COLUMNS, NO_LEASE, JobRow, as_job
from dictograph.store.tables import job

log = logging.getLogger(__name__)

#: How long a job that this version cannot run is put off, in seconds.
PUT_OFF_S = 60.0

#: The most jobs that one transaction puts off: other transactions wait for its end.
_MOST_PUT_OFF = 50

#: How many jobs of an owner are read first, and the factor for each further round when others are taking all of them.
_DEPTH, _DEEPER = 4, 8


@dataclass(frozen=True, slots=True)
class Claimant:
    """A worker with a free slot.

    `runnable` are (engine, model) pairs, where model "" is the configured default. `busy`: the worker runs other jobs
    already. `lease_seconds`: the time between renewals of its leases. `for_starving`: take only jobs that have to run
    alone, see `has_waiting_exclusive_job`. `needs` are the features that it supports.
    """

    worker_id: str
    lease_seconds: float
    runnable: frozenset[tuple[str, str]]
    busy: bool
    for_starving: bool = False
    needs: frozenset[str] = KNOWN_NEEDS

    @property
    def rows(self) -> Runnable:
        """Return the kinds of rows that the worker can run."""
        return frozenset((*pair, need) for pair in self.runnable for need in self.needs)

    @property
    def exclusive(self) -> bool | None:
        """Return true to take only a job that runs alone, false to take only others, None to take either."""
        return self.for_starving if self.busy or self.for_starving else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job with its lease. `exclusive`: its lease was lost before, so nothing may run beside it."""

    job: Job
    lease: Lease
    exclusive: bool


@dataclass(frozen=True, slots=True)
class PutOff:
    """The number of jobs that were put off. There may be more to claim: call again."""

    jobs: int


def claim_job(conn: Connection, claimant: Claimant) -> Claim | PutOff | None:
    """Take the best job that the worker can run; None when there is no job that other workers are not taking.

    A job that asks for a feature that this version does not know is put off for a minute.
    """
    rows, depth, put_off = claimant.rows, _DEPTH, 0
    while ids := candidates(conn, rows, claimant.exclusive, depth):
        row = _take(conn, ids, claimant)
        if row is not None:
            taken = as_job(row)
            if not taken.unsupported:
                events.append(conn, row.id, row.last_seq, [("started", {"attempt": row.attempt})])
                return Claim(taken, Lease(row.id, row.attempt, row.lease_token), row.alone)
            _put_off(conn, row, ", ".join(taken.unsupported))
            put_off += 1
            if put_off >= _MOST_PUT_OFF:
                return PutOff(put_off)
        elif len(ids) < depth:  # there are no more
            return None
        else:
            depth *= _DEEPER
    return None


def has_waiting_exclusive_job(conn: Connection, claimant: Claimant, patience_s: float) -> bool:
    """Return whether a job that has to run alone has waited for `patience_s`, and this worker could run it."""
    query = select(literal(1)).where(  # every column but the last is in the index of the claim
        job.c.queued_owner.is_not(None),
        tuple_(job.c.claim_engine, job.c.claim_model, job.c.claim_needs).in_(sorted(claimant.rows)),
        job.c.available_at <= now_epoch() - patience_s,
        job.c.alone.is_(True),
        job.c.put_off_for.is_(None),  # workers do not become free again and again for a job that they cannot run
    )
    return conn.execute(query.limit(1)).first() is not None


def _take(conn: Connection, ids: Sequence[str], claimant: Claimant) -> JobRow | None:
    """Take the first of these jobs that is not being taken by another transaction, without waiting for any."""
    now = read_clock(conn)
    values = {
        "status": JobStatus.PROCESSING,
        "lease_token": uuid4().hex,
        "lease_expires_at": now + claimant.lease_seconds,
        "worker_id": claimant.worker_id,
        "claimed_at": now,
        "update_date": as_datetime(now),
        "now": as_datetime(now),
        **{_place(place): id for place, id in enumerate(ids)},
    }
    return conn.execute(_taking(claimant.rows, claimant.exclusive, len(ids)), values).one_or_none()


def _put_off(conn: Connection, taken: JobRow, why: str) -> None:
    """Undo the claim of a row, and keep it from being claimed for a while."""
    log.info("job %s: put off for %.0f s, since this version does not know %s", taken.id, PUT_OFF_S, why)
    before = {"attempt": taken.attempt - 1, "last_seq": taken.last_seq - 1, "status": JobStatus.PENDING, **NO_LEASE}
    first = {"started_at": None} if taken.attempt == 1 else {}
    wait = {"available_at": now_epoch() + PUT_OFF_S, "put_off_for": why}
    conn.execute(update(job).where(job.c.id == taken.id).values(before | first | wait))


@cached_statement
def _taking(runnable: Runnable, exclusive: bool | None, count: int) -> Update:
    ids = [bindparam(_place(place), type_=job.c.id.type) for place in range(count)]
    free = (
        select(job.c.id)
        .where(job.c.id.in_(ids), claimable(runnable, exclusive))
        .order_by(case(*((job.c.id == id, place) for place, id in enumerate(ids))))
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    return (
        update(job)
        .where(job.c.id == free)
        .values(
            attempt=job.c.attempt + 1,
            last_seq=job.c.last_seq + 1,
            put_off_for=None,
            started_at=func.coalesce(job.c.started_at, bindparam("now", type_=job.c.started_at.type)),
        )
        .returning(*JOB_COLUMNS)
    )


def _place(number: int) -> str:
    return f"place_{number}"
