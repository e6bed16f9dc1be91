"""The workers that live, and what they are at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from dictograph.store.workers import GONE_AFTER_S, HeldJob, WorkerState, held_jobs, list_alive

#: Of more jobs than this at once nothing is told.
_MOST_JOBS = 10_000


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker: how many jobs it runs, and those of them that the one who asks may know of."""

    worker: WorkerState
    running: int
    jobs: Sequence[HeldJob]


def live_workers(conn: Connection, owner: str | None) -> list[LiveWorker]:
    """All workers that were heard of lately, with the owner's jobs (None: everybody's) that they are at."""
    held = held_jobs(conn, _MOST_JOBS)
    return [
        _with_jobs(one, [job for job in held if job.worker_id == one.id], owner)
        for one in list_alive(conn, GONE_AFTER_S)
    ]


def _with_jobs(worker: WorkerState, held: Sequence[HeldJob], owner: str | None) -> LiveWorker:
    return LiveWorker(worker, len(held), [job for job in held if owner is None or job.owner == owner])
