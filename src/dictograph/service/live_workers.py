"""The live workers, and the jobs that they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.store.workers import GONE_AFTER_S, HeldJob, WorkerState, held_jobs, list_alive

#: The most running jobs that are read; the others are left out.
_MOST_JOBS = 10_000


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker: the number of jobs that it runs, and those of them that the caller may see."""

    worker: WorkerState
    running: int
    jobs: Sequence[HeldJob]


def live_workers(conn: Connection, owner: str | None) -> list[LiveWorker]:
    """Return all workers with a recent heartbeat, and the owner's jobs (None: all jobs) that they run."""
    held = held_jobs(conn, _MOST_JOBS)
    return [
        _with_jobs(one, [job for job in held if job.worker_id == one.id], owner)
        for one in list_alive(conn, GONE_AFTER_S)
    ]


def _with_jobs(worker: WorkerState, held: Sequence[HeldJob], owner: str | None) -> LiveWorker:
    return LiveWorker(worker, len(held), [job for job in held if owner is None or job.owner == owner])
