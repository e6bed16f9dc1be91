"""The claim: which job a worker takes next.

A job that asks for what this version does not know is put off, uncharged, and the next one is taken: a newer worker
may come, and this one must neither run the job otherwise than it asks, nor fail it.
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

#: For how long a job that this version cannot run is put off, in seconds.
PUT_OFF_S = 60.0

#: So many are put off in one transaction at most: others wait for its end.
_MOST_PUT_OFF = 50

#: How many jobs of an owner are looked at first, and how much further each time when others were taking them all.
_DEPTH, _DEEPER = 4, 8


@dataclass(frozen=True, slots=True)
class Claimant:
    """A worker with a free place. `runnable` are (engine, model) pairs, where model "" is the
    configured default; `busy` says that it runs other jobs already; `lease_seconds` is how long it
    may be silent. `for_starving` takes only what has to run alone: see `starves`. `needs` are those that it supports.
    """

    worker_id: str
    lease_seconds: float
    runnable: frozenset[tuple[str, str]]
    busy: bool
    for_starving: bool = False
    needs: frozenset[str] = KNOWN_NEEDS

    @property
    def rows(self) -> Runnable:
        """The kinds of rows that it can run."""
        return frozenset((*pair, need) for pair in self.runnable for need in self.needs)

    @property
    def exclusive(self) -> bool | None:
        """Whether the job has to be one that runs alone, or must not be; None: either will do."""
        return self.for_starving if self.busy or self.for_starving else None


@dataclass(frozen=True, slots=True)
class Claim:
    """A job with the right to it. `alone`: its lease was lost before, so nothing may run beside it."""

    job: Job
    lease: Lease
    exclusive: bool


@dataclass(frozen=True, slots=True)
class PutOff:
    """So many jobs were put off, and there may be more to claim: ask again."""

    jobs: int


def claim_job(conn: Connection, claimant: Claimant) -> Claim | PutOff | None:
    """Take the best job that the worker can run; None when there is none that nobody else is taking.

    A job that asks for what this version does not know is put off for a minute.
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
    """Whether a job that nothing may run beside has waited for so long, and this worker could run it."""
    query = select(literal(1)).where(  # but for the last, every column is in the index of the claim
        job.c.queued_owner.is_not(None),
        tuple_(job.c.claim_engine, job.c.claim_model, job.c.claim_needs).in_(sorted(claimant.rows)),
        job.c.available_at <= now_epoch() - patience_s,
        job.c.alone.is_(True),
        job.c.put_off_for.is_(None),  # no room is made again and again for what cannot be run
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
    """Undo what the claim has done to a row, and have nobody look at it for a while."""
    log.info("job %s: put off for %.0f s, since this version does not know %s", taken.id, PUT_OFF_S, why)
    before = {"attempt": taken.attempt - 1, "last_seq": taken.last_seq - 1, "status": JobStatus.PENDING, **NO_LEASE}
    first = {"started_at": None} if taken.attempt == 1 else {}
    wait = {"available_at": now_epoch() + PUT_OFF_S, "put_off_for": why}
    conn.execute(update(job).where(job.c.id == taken.id).values(before | first | wait))


@cached_statement
def _taking(runnable: Runnable, alone: bool | None, count: int) -> Update:
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
            put_off_for=None,
            started_at=func.coalesce(job.c.started_at, bindparam("now", type_=job.c.started_at.type)),
        )
        .returning(*JOB_COLUMNS)
    )


def _place(number: int) -> str:
    return f"place_{number}"
