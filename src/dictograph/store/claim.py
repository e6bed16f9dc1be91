"""The claim: which job a worker takes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import Connection, Update, bindparam, case, func, literal, select, tuple_, update

from dictograph.job import Job, JobStatus, Lease
from dictograph.store import events
from dictograph.store.candidates import Pairs, candidates, claimable, once
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.rows import JOB_COLUMNS, JobRow, as_job
from dictograph.store.tables import job

#: How many jobs of an owner are looked at first, and how much further each time when others were taking them all.
_DEPTH, _DEEPER = 4, 8


@dataclass(frozen=True, slots=True)
class Claimant:
    """A worker with a free place. `runnable` are (engine, model) pairs, where model "" is the
    configured default; `busy` says that it runs other jobs already; `lease_seconds` is how long it
    may be silent. `for_starving` takes only what has to run alone: see `starves`."""

    worker_id: str
    lease_seconds: float
    runnable: frozenset[tuple[str, str]]
    busy: bool
    for_starving: bool = False

    @property
    def alone(self) -> bool | None:
        """Whether the job has to be one that runs alone, or must not be; None: either will do."""
        return self.for_starving if self.busy or self.for_starving else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job with the right to it. `alone`: its lease was lost before, so nothing may run beside it."""

    job: Job
    lease: Lease
    alone: bool


def claim_job(conn: Connection, claimant: Claimant) -> Claim | None:
    """Take the best job that the worker can run; None when there is none that nobody else is taking."""
    depth = _DEPTH
    while ids := candidates(conn, claimant.runnable, claimant.alone, depth):
        row = _take(conn, ids, claimant)
        if row is not None:
            events.append(conn, row.id, row.last_seq, [("started", {"attempt": row.attempt})])
            return Claim(as_job(row), Lease(row.id, row.attempt, row.lease_token), row.alone)
        if len(ids) < depth:  # there are no more
            return None
        depth *= _DEEPER
    return None


def starves(conn: Connection, claimant: Claimant, patience_s: float) -> bool:
    """Whether a job that nothing may run beside has waited for so long, and this worker could run it."""
    question = select(literal(1)).where(  # every column is in the index of the claim: no row need be read
        job.c.queued_owner.is_not(None),
        tuple_(job.c.claim_engine, job.c.claim_model).in_(sorted(claimant.runnable)),
        job.c.available_at <= now_epoch() - patience_s,
        job.c.alone.is_(True),
    )
    return conn.execute(question.limit(1)).first() is not None


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
    return conn.execute(_taking(claimant.runnable, claimant.alone, len(ids)), values).one_or_none()


@once
def _taking(runnable: Pairs, alone: bool | None, count: int) -> Update:
    ids = [bindparam(_place(place), type_=job.c.id.type) for place in range(count)]
    free = (
        select(job.c.id)
        .where(job.c.id.in_(ids), claimable(runnable, alone))
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
            started_at=func.coalesce(job.c.started_at, bindparam("now", type_=job.c.started_at.type)),
        )
        .returning(*JOB_COLUMNS)
    )


def _place(number: int) -> str:
    return f"place_{number}"
