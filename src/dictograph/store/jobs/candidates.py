"""The jobs that may be claimed next, best first, found without looking at a row that is not pending."""

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

#: What rows a worker can run: (engine, model, needs), as they stand in the columns `claim_…`.
Runnable = frozenset[tuple[str, str, str]]

# Made once: a table's alias has as many new columns as the table.
_waiting, _running, _later = job.alias("waiting"), job.alias("running"), job.alias("later")

#: A worker asks the same question again and again; putting it together takes longer than its answer.
cached_statement = lru_cache(maxsize=64)


def candidates(conn: Connection, runnable: Runnable, alone: bool | None, depth: int) -> list[str]:
    """The ids of the best jobs of those that can be run, best first.

    Best is: of the highest priority; then of the owner who has the fewest jobs running; then the one
    that has been available longest. Of each owner and kind of row no more than `depth` are looked at.

    Args:
        alone: only jobs that have to run alone, or only such as need not; None: all.
    """
    if not runnable:
        return []
    one_writer = conn.dialect.name == "sqlite"  # so the first one is always free
    query = _first(runnable, alone) if one_writer else _several(runnable, alone, depth)
    return [str(id) for id in conn.execute(query).scalars()]


def claimable(runnable: Runnable, alone: bool | None) -> ColumnElement[bool]:
    """What is asked again of a job that is taken: another transaction may have changed it in between."""
    asked = tuple_(job.c.claim_engine, job.c.claim_model, job.c.claim_needs)
    conditions = [status_is(JobStatus.PENDING), asked.in_(sorted(runnable)), job.c.available_at <= now_epoch()]
    return and_(*conditions, *([] if alone is None else [job.c.alone.is_(alone)]))


@cached_statement
def _first(runnable: Runnable, alone: bool | None) -> Select[tuple[str]]:
    owners, kinds = _owners(), _kinds(runnable)
    mine = _heads(owners, kinds, alone).with_only_columns(_waiting.c.id).limit(1).scalar_subquery()
    head = select(mine.label("id")).select_from(owners.join(kinds, true())).cte("head")
    query = select(job.c.id).join(head, head.c.id == job.c.id)
    return query.order_by(job.c.priority.desc(), _company(job.c.owner), job.c.available_at, job.c.id).limit(1)


@cached_statement
def _several(runnable: Runnable, alone: bool | None, depth: int) -> Select[tuple[str]]:
    owners, kinds = _owners(), _kinds(runnable)
    owned = select(owners.c.owner, _company(owners.c.owner).label("company"))
    owner = owned.where(owners.c.owner.is_not(None)).cte("owner").prefix_with("MATERIALIZED")
    mine = _heads(owner, kinds, alone).limit(depth).lateral("mine")
    query = select(mine.c.id).select_from(owner.join(kinds, true()).join(mine, true()))
    return query.order_by(mine.c.priority.desc(), owner.c.company, mine.c.available_at, mine.c.id).limit(8 * depth)


def _company(owner: ColumnElement[str]) -> ColumnElement[int]:
    """How many jobs an owner has running."""
    return select(func.count()).where(_running.c.running_owner == owner).correlate(owner.table).scalar_subquery()


def _owners() -> CTE:
    """The owners with pending jobs, found by stepping from one to the next through the index: a
    million rows of one owner cost no more than one (a "loose index scan")."""
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


def _heads(owners: CTE, kinds: CTE, alone: bool | None) -> Select[tuple[str, int, float]]:
    """An owner's best jobs of a kind of row: the first ones of the index that are available."""
    mine = _waiting
    query = select(mine.c.id, mine.c.priority, mine.c.available_at).where(
        mine.c.queued_owner == owners.c.owner,
        mine.c.claim_engine == kinds.c.engine,
        mine.c.claim_model == kinds.c.model,
        mine.c.claim_needs == kinds.c.needs,
        mine.c.available_at <= now_epoch(),
    )
    if alone is not None:
        query = query.where(mine.c.alone.is_(alone))
    return query.order_by(mine.c.priority.desc(), mine.c.available_at).correlate(owners, kinds)
