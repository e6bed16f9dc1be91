"""A worker that lost its jobs long ago and writes all the same: with their true leases, all that a worker writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from dictograph.errors import DatabaseUnavailable, LeaseLost
from dictograph.job import ErrorRecord, FrozenEngine, JobStatus, Lease, StoredAudio
from dictograph.store.database import Database
from dictograph.store.jobs import finish, lease, progress
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.tables import job

_WRONG = "written by an impostor"
_POLICY = RetryPolicy(0, 0)

#: All that a worker writes about a job, each as (what, write).
WRITES: dict[str, Callable[[Connection, Lease], Any]] = {
    "record_audio": lambda c, held: progress.record_audio(c, held, StoredAudio(_WRONG, "0" * 64, 1)),
    "freeze_engine": lambda c, held: progress.freeze_engine(c, held, FrozenEngine(_WRONG, "", ""), []),
    "freeze_language": lambda c, held: progress.freeze_language(c, held, "xx", 1.0),
    "plan_windows": lambda c, held: progress.plan_windows(c, held, [PlannedWindow(0, 0.0, 1.0, "0" * 64)], 1.0),
    "finish_plan": lambda c, held: progress.finish_plan(c, held, 1.0, []),
    "restart_windows": lambda c, held: progress.restart_windows(c, held, "audio_changed", _WRONG),
    "commit_windows": lambda c, held: progress.commit_windows(c, held, [(0, {"segments": []})]),
    "complete": finish.complete,
    "fail": lambda c, held: finish.fail(c, held, ErrorRecord("impostor", _WRONG), True, _POLICY),
    "release": finish.release,
}


class StaleLeaseWriter:
    """`look` notes who holds what; `strike` writes under leases that it has seen end."""

    def __init__(self, url: str) -> None:
        self._database = Database.open(url, pool=2)
        self._held: set[Lease] = set()
        self._over: list[Lease] = []
        self.tried = 0
        self.refused = 0
        self.accepted = Counter[str]()

    def look(self) -> None:
        try:
            held = set(self._database.read_now(_held))
        except DatabaseUnavailable:
            return
        self._over += self._held - held
        self._held = held

    def strike(self, most: int) -> None:
        """Write all that there is to write under so many of the leases that are over."""
        while self._over and most:
            stale, most = self._over.pop(), most - 1
            for what, write in WRITES.items():
                self._try(what, lambda c, write=write, stale=stale: write(c, stale))  # type: ignore[misc] # bound here
            self._try("renew", lambda c, stale=stale: _renew(c, stale))  # type: ignore[misc] # bound here

    def close(self) -> None:
        self._database.close_now()

    def _try(self, what: str, write: Callable[[Connection], Any]) -> None:
        try:
            self._database.write_now(write)
        except DatabaseUnavailable:
            return
        except LeaseLost:
            self.refused += 1
        else:
            self.accepted[what] += 1
        self.tried += 1


def _held(conn: Connection) -> list[Lease]:
    query = select(job.c.id, job.c.attempt, job.c.lease_token).where(job.c.status == JobStatus.PROCESSING)
    return [Lease(*row) for row in conn.execute(query)]


def _renew(conn: Connection, stale: Lease) -> None:
    if not lease.renew(conn, [stale], 60):
        raise LeaseLost("Nothing was renewed.")
