"""The jobs that may be claimed next, best first. The search reads pending rows only."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    func,
    literal,
    select,
    true,
    tuple_,
    union_all,
)

from dictograph.job import JobStatus
from dictograph.store.clock import now_epoch
from dictograph.store.tables import job, status_is

#: The kinds of rows that a worker can run: (engine, model, needs), as the columns `claim_…` have them.
Runnable = frozenset[tuple[str, str, str]]

# Made once: a table's alias has as many new columns as the table.
_waiting, _running, _later = job.alias("waiting"), job.alias("running"), job.alias("later")

#: A worker runs the same query again and again; building it takes longer than running it.
cached_statement = lru_cache(maxsize=64)


def candidates(conn: Connection, runnable: Runnable, exclusive: bool | None, depth: int) -> list[str]:
    """Return the ids of the best jobs that can be run, best first.

    The order is: the highest priority first; then the owner with the fewest running jobs; then the job that has been
    available longest. At most `depth` rows of each owner and kind are read.

    Args:
        exclusive: true: only jobs that have to run alone; false: only other jobs; None: all.
    """
    if not runnable:
        return []
    one_writer = conn.dialect.name == "sqlite"  # there the first row is never locked by another
    query = _first(runnable, exclusive) if one_writer else _several(runnable, exclusive, depth)
    return [str(id) for id in conn.execute(query).scalars()]


def claimable(runnable: Runnable, exclusive: bool | None) -> ColumnElement[bool]:
    """Return the condition that is checked again when a job is taken: another transaction may have changed it."""
    asked = tuple_(job.c.claim_engine, job.c.claim_model, job.c.claim_needs)
    conditions = [status_is(JobStatus.PENDING), asked.in_(sorted(runnable)), job.c.available_at <= now_epoch()]
    return and_(*conditions, *([] if exclusive is None else [job.c.alone.is_(exclusive)]))


@cached_statement
def _first(runnable: Runnable, exclusive: bool | None) -> Select[tuple[str]]:
    owners, kinds = _owners(), _kinds(runnable)
    mine = _heads(owners, kinds, exclusive).with_only_columns(_waiting.c.id).limit(1).scalar_subquery()
    head = select(mine.label("id")).select_from(owners.join(kinds, true())).cte("head")
    query = select(job.c.id).join(head, head.c.id == job.c.id)
    return query.order_by(job.c.priority.desc(), _running_jobs(job.c.owner), job.c.available_at, job.c.id).limit(1)


@cached_statement
def _several(runnable: Runnable, exclusive: bool | None, depth: int) -> Select[tuple[str]]:
    owners, kinds = _owners(), _kinds(runnable)
    owned = select(owners.c.owner, _running_jobs(owners.c.owner).label("running"))
    owner = owned.where(owners.c.owner.is_not(None)).cte("owner").prefix_with("MATERIALIZED")
    mine = _heads(owner, kinds, exclusive).limit(depth).lateral("mine")
    query = select(mine.c.id).select_from(owner.join(kinds, true()).join(mine, true()))
    return query.order_by(mine.c.priority.desc(), owner.c.running, mine.c.available_at, mine.c.id).limit(8 * depth)


def _running_jobs(owner: ColumnElement[str]) -> ColumnElement[int]:
    """Return the number of jobs that an owner has running."""
    return select(func.count()).where(_running.c.running_owner == owner).correlate(owner.table).scalar_subquery()


def _owners() -> CTE:
    """Return the owners with pending jobs. The query steps from one owner to the next through the index (a "loose
    index scan"): a million rows of one owner cost no more than one."""
    first = select(func.min(job.c.queued_owner).label("owner")).where(job.c.queued_owner.is_not(None))
    step = first.cte("owners", recursive=True)
    following = (
        select(func.min(_later.c.queued_owner))
        .where(_later.c.queued_owner > step.c.owner)
        .correlate(step)
        .scalar_subquery()
    )
    return step.union_all(select(following).where(step.c.owner.is_not(None)))


def _kinds(runnable: Runnable) -> CTE:
    names = ("engine", "model", "needs")
    rows = [
        select(*(literal(value, String).label(name) for name, value in zip(names, kind, strict=True)))
        for kind in sorted(runnable)
    ]
    return (union_all(*rows) if len(rows) > 1 else rows[0]).cte("runnable")


def _heads(owners: CTE, kinds: CTE, exclusive: bool | None) -> Select[tuple[str, int, float]]:
    """Return an owner's best jobs of a kind of row: the first available ones in the index."""
    mine = _waiting
    query = select(mine.c.id, mine.c.priority, mine.c.available_at).where(
        mine.c.queued_owner == owners.c.owner,
        mine.c.claim_engine == kinds.c.engine,
        mine.c.claim_model == kinds.c.model,
        mine.c.claim_needs == kinds.c.needs,
        mine.c.available_at <= now_epoch(),
    )
    if exclusive is not None:
        query = query.where(mine.c.alone.is_(exclusive))
    return query.order_by(mine.c.priority.desc(), mine.c.available_at).correlate(owners, kinds)
