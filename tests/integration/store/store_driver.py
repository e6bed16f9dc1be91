"""What the tests of the store have in common: a database, and short words for what is done to it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from sqlalchemy import Connection, select, update

from dictograph.job import ErrorRecord, Job, JobStatus, Lease, Options, Source, SourceKind, StoredAudio
from dictograph.store import events
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish, lease, progress, read
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.claim import Claim, Claimant, PutOff, claim_job
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.migrate import head
from dictograph.store.tables import job as job_table
from dictograph.store.tables import metadata

T = TypeVar("T")
AT_ONCE = RetryPolicy(0.0, 0.0)
OOPS = ErrorRecord("engine_failed", "It did not work.", "TRANSCRIBE")


def result(text: str) -> dict[str, Any]:
    return {"segments": [{"start": 0.0, "end": 1.0, "text": text}], "sampled": False}


def emptied(url: str) -> str:
    """The migrated PostgreSQL database at `url`, with nothing in its tables but what a migration puts there."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE storage_mark SET counter = 0, swept_at = 0")
        for table in reversed(metadata.sorted_tables):
            if table.name == "storage_mark":
                continue
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table.name)))
        connection.execute("UPDATE alembic_version SET version_num = %s", [head()])
    return url


class StoreDriver:
    """Words for the questions, with a database behind them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._numbers = itertools.count(1)

    def write(self, query: Callable[..., T], *args: Any, **named: Any) -> T:
        return self.database.write_now(lambda conn: query(conn, *args, **named))

    def read(self, query: Callable[..., T], *args: Any, **named: Any) -> T:
        return self.database.read_now(lambda conn: query(conn, *args, **named))

    def create(self, id: str | None = None, owner: str = "local", **values: Any) -> Job:
        id = id or f"job-{next(self._numbers):04d}"
        values.setdefault("audio", StoredAudio(f"{id}/0-audio", "ab" * 32, 1000))
        values.setdefault("options", Options())
        values.setdefault("source", Source(SourceKind.UPLOAD))
        return self.write(create_job, NewJob(id=id, owner=owner, filename="talk.mp3", **values))

    def try_claim(
        self, *, busy: bool = False, engine: str = "auto", worker: str = "w1", lease_s: float = 60
    ) -> Claim | None:
        pairs = frozenset({(engine, ""), ("sphinx", "en")})
        claim = self.write(claim_job, Claimant(worker, lease_s, pairs, busy))
        assert not isinstance(claim, PutOff), "too many jobs of a later version"
        return claim

    def claim(self, **named: Any) -> Claim:
        claim = self.try_claim(**named)
        assert claim is not None
        return claim

    def running(self, **values: Any) -> Lease:
        self.create(**values)
        return self.claim().lease

    def plan(self, lease: Lease, count: int, first: int = 0) -> None:
        windows = [PlannedWindow(i, i * 10.0, i * 10.0 + 10, f"sha-{i}") for i in range(first, first + count)]
        self.write(progress.plan_windows, lease, windows, (first + count) * 10.0)

    def commit(self, lease: Lease, *indexes: int) -> None:
        self.write(progress.commit_windows, lease, [(i, result(f"text {i}")) for i in indexes])

    def finish_plan(self, lease: Lease, duration: float = 30.0) -> None:
        self.write(progress.finish_plan, lease, duration, [])

    def whole(self, lease: Lease, windows: int = 3) -> Job:
        """Plan, commit and complete."""
        self.plan(lease, windows)
        self.commit(lease, *range(windows))
        self.finish_plan(lease, windows * 10.0)
        return self.write(finish.complete, lease)

    def fail(self, lease: Lease, *, retryable: bool = True) -> Job:
        return self.write(finish.fail, lease, OOPS, retryable, AT_ONCE)

    def expire_lease(self, job_id: str) -> None:
        """As if the worker had been silent for long."""
        self.write(
            lambda conn: conn.execute(update(job_table).where(job_table.c.id == job_id).values(lease_expires_at=1.0))
        )

    def lose(self) -> list[str]:
        """Return the jobs whose leases are past their end."""
        return self.write(lease.lose_silent, [one for one in self.read(lease.held_leases) if one.left < 0], AT_ONCE)

    def cancel(self, job_id: str) -> Job:
        return self.write(control.cancel, None, job_id)

    def retry(self, job_id: str) -> Job:
        return self.write(control.retry, None, job_id)

    def job(self, job_id: str) -> Job:
        return self.read(read.get_job, None, job_id)

    def status(self, job_id: str) -> JobStatus:
        return self.job(job_id).status

    def log(self, job_id: str) -> list[str]:
        return [event.type for event in self.events(job_id)]

    def events(self, job_id: str) -> list[events.Event]:
        return self.read(events.read_events, job_id, 0, 10_000)

    def column(self, job_id: str, name: str) -> Any:
        def query(conn: Connection) -> Any:
            return conn.execute(select(job_table.c[name]).where(job_table.c.id == job_id)).scalar_one()

        return self.database.read_now(query)
