"""The state of one contract's jobs: how many wait, which run, how many have ended since a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from dictograph.contract import Contract
from dictograph.job import JobStatus
from dictograph.store.tables import job

#: The most running jobs that are listed by name.
_MOST = 256


@dataclass(frozen=True, slots=True)
class Running:
    """A job that is being run."""

    id: str
    owner: str
    filename: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Traffic:
    """`running` begins with the job that started first. `failed` includes cancelled jobs."""

    waiting: int = 0
    running: tuple[Running, ...] = ()
    completed: int = 0
    failed: int = 0


def traffic(conn: Connection, contract: Contract, since: datetime) -> Traffic:
    """Return the contract's jobs as they are now, and the numbers of those that have ended since `since`."""
    ours = job.c.contract == contract
    waiting = conn.execute(select(func.count()).where(job.c.queued_owner.is_not(None), ours)).scalar_one()
    running = conn.execute(
        select(job.c.id, job.c.owner, job.c.filename, func.coalesce(job.c.started_at, job.c.update_date).label("start"))
        .where(job.c.running_owner.is_not(None), ours)
        .order_by(job.c.started_at, job.c.id)
        .limit(_MOST)
    )
    ended = conn.execute(
        select(job.c.status, func.count().label("jobs")).where(job.c.finished_at >= since, ours).group_by(job.c.status)
    )
    numbers = {row.status: int(row.jobs) for row in ended}
    return Traffic(
        int(waiting),
        tuple(Running(row.id, row.owner, row.filename, row.start) for row in running),
        numbers.get(JobStatus.COMPLETED, 0),
        numbers.get(JobStatus.FAILED, 0) + numbers.get(JobStatus.CANCELLED, 0),
    )
