"""The worker processes, with the state that each announces."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from dictograph.job import KNOWN_NEEDS
from dictograph.store.clock import as_datetime, now_epoch
from dictograph.store.tables import job, worker

#: A worker that sent no heartbeat for this time (s) counts as gone in the status of the service.
GONE_AFTER_S = 20.0


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker. `state` is a JSON object (engines, readiness, jobs running); `seen_at` is set by the
    database when the worker announces itself."""

    id: str
    host: str
    pid: int
    started_at: datetime
    state: dict[str, Any] = field(default_factory=dict)
    seen_at: datetime | None = None

    @property
    def needs(self) -> frozenset[str]:
        """Return the supported needs of rows. A worker that announces none supports those of every version."""
        return frozenset(map(str, self.state.get("needs") or ("",)))


@dataclass(frozen=True, slots=True)
class HeldJob:
    """A job that a worker runs, since `claimed_at`."""

    id: str
    owner: str
    filename: str
    worker_id: str
    claimed_at: datetime


def announce(conn: Connection, state: WorkerState) -> None:
    """Store the worker's state and heartbeat."""
    values = {
        "host": state.host,
        "pid": state.pid,
        "started_at": state.started_at,
        "state": state.state,
        "seen_at": now_epoch(),
    }
    if conn.execute(update(worker).where(worker.c.id == state.id).values(**values)).rowcount == 0:
        conn.execute(insert(worker).values(id=state.id, **values))


def supported_needs(workers: Iterable[WorkerState]) -> frozenset[str]:
    """Return the needs that at least one of the workers supports; without a worker, those of this version."""
    return frozenset[str]().union(*(one.needs for one in workers)) or KNOWN_NEEDS


def touch(conn: Connection, id: str) -> None:
    """Store the worker's heartbeat; its state has not changed."""
    conn.execute(update(worker).where(worker.c.id == id).values(seen_at=now_epoch()))


def list_alive(conn: Connection, max_age_s: float) -> list[WorkerState]:
    """Return the workers with a heartbeat in the last `max_age_s` seconds, the oldest first.

    A heartbeat in the future is from before the clock was set back, and does not count.
    """
    query = select(worker).where(worker.c.seen_at.between(now_epoch() - max_age_s, now_epoch() + max_age_s))
    return [
        WorkerState(row.id, row.host, row.pid, row.started_at, row.state, as_datetime(row.seen_at))
        for row in conn.execute(query.order_by(worker.c.started_at, worker.c.id))
    ]


def held_jobs(conn: Connection, limit: int) -> list[HeldJob]:
    """Return the jobs that workers run, at most `limit`, in the order of their claims."""
    query = (
        select(job.c.id, job.c.owner, job.c.filename, job.c.worker_id, job.c.claimed_at)
        .where(job.c.running_owner.is_not(None))
        .order_by(job.c.claimed_at, job.c.id)
        .limit(limit)
    )
    return [
        HeldJob(row.id, row.owner, row.filename, row.worker_id, as_datetime(row.claimed_at))
        for row in conn.execute(query)
    ]


def forget(conn: Connection, ids: Iterable[str]) -> None:
    """Remove workers that are gone."""
    conn.execute(delete(worker).where(worker.c.id.in_(list(ids))))
