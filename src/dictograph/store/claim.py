"""The claim: which job a worker takes next."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from sqlalchemy import CTE, ColumnElement, Connection, String, func, literal, select, tuple_, union_all, update

from dictograph.job import Job, JobStatus, Lease
from dictograph.store import events
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.rows import JOB_COLUMNS, JobRow, as_job
from dictograph.store.tables import job


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


@dataclass(frozen=True, slots=True)
class Claim:
    """A job with the right to it. `alone`: its lease was lost before, so nothing may run beside it."""

    job: Job
    lease: Lease
    alone: bool


def claim_job(conn: Connection, claimant: Claimant) -> Claim | None:
    """Take the best job that the worker can run; None when there is none.

    Best is: of the highest priority; then of the owner who has the fewest jobs running; then the
    one that has been available longest.
    """
    while (best := _best(conn, claimant)) is not None:
        row = _take(conn, best, claimant)
        if row is not None:
            events.append(conn, row.id, row.last_seq, [("started", {"attempt": row.attempt})])
            return Claim(as_job(row), Lease(row.id, row.attempt, row.lease_token), row.alone)
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


def _take(conn: Connection, seen: JobRow, claimant: Claimant) -> JobRow | None:
    now = read_clock(conn)
    change = (
        update(job)
        .where(job.c.id == seen.id, job.c.status == JobStatus.PENDING, job.c.attempt == seen.attempt)
        .values(
            status=JobStatus.PROCESSING,
            attempt=job.c.attempt + 1,
            last_seq=job.c.last_seq + 1,
            lease_token=uuid4().hex,
            lease_expires_at=now + claimant.lease_seconds,
            worker_id=claimant.worker_id,
            claimed_at=now,
            started_at=func.coalesce(job.c.started_at, as_datetime(now)),
            update_date=as_datetime(now),
        )
        .returning(*JOB_COLUMNS)
    )
    return conn.execute(change).one_or_none()


def _best(conn: Connection, claimant: Claimant) -> JobRow | None:
    if not claimant.runnable:
        return None
    owners, pairs, running = _owners(), _pairs(claimant.runnable), job.alias("running")
    heads = select(_head(owners, pairs, claimant).label("id")).select_from(owners.join(pairs, literal(True)))
    head = heads.cte("head")
    company = select(func.count()).where(running.c.running_owner == job.c.owner).correlate(job).scalar_subquery()
    question = (
        select(job.c.id, job.c.attempt)
        .join(head, head.c.id == job.c.id)
        .order_by(job.c.priority.desc(), company, job.c.available_at, job.c.id)
        .limit(1)
    )
    return conn.execute(question).one_or_none()


def _owners() -> CTE:
    """The owners with pending jobs, found by stepping from one to the next through the index: a
    million rows of one owner cost no more than one (a "loose index scan")."""
    first = select(func.min(job.c.queued_owner).label("owner")).where(job.c.queued_owner.is_not(None))
    step = first.cte("owners", recursive=True)
    later = job.alias("later")
    following = (
        select(func.min(later.c.queued_owner))
        .where(later.c.queued_owner > step.c.owner)
        .correlate(step)
        .scalar_subquery()
    )
    return step.union_all(select(following).where(step.c.owner.is_not(None)))


def _pairs(runnable: frozenset[tuple[str, str]]) -> CTE:
    rows = [
        select(literal(engine, String).label("engine"), literal(model, String).label("model"))
        for engine, model in sorted(runnable)
    ]
    return (union_all(*rows) if len(rows) > 1 else rows[0]).cte("runnable")


def _head(owners: CTE, pairs: CTE, claimant: Claimant) -> ColumnElement[str]:
    """The id of an owner's best row for an engine and model: the first one of the index that is available."""
    mine = job.alias("mine")
    question = select(mine.c.id).where(
        mine.c.queued_owner == owners.c.owner,
        mine.c.claim_engine == pairs.c.engine,
        mine.c.claim_model == pairs.c.model,
        mine.c.available_at <= now_epoch(),
    )
    if claimant.busy or claimant.for_starving:
        question = question.where(mine.c.alone.is_(claimant.for_starving))
    return (
        question.order_by(mine.c.priority.desc(), mine.c.available_at)
        .limit(1)
        .correlate(owners, pairs)
        .scalar_subquery()
    )
