"""Fills a job table with any number of rows. The database itself does it, in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, insert, literal, select, text

from dictograph.job import JobStatus, Options, Source, SourceKind, StoredAudio
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.tables import job

OWNERS = 20
PRIORITIES = 5

_TEMPLATE = "template"

#: The number of rows in one statement: a database that does not answer for a long time counts as gone.
_TOGETHER = 20_000


@dataclass(frozen=True)
class Mix:
    """The number of jobs of each kind."""

    ended: int
    pending: int
    running: int

    @property
    def rows(self) -> int:
        return self.ended + self.pending + self.running


def fill(url: str, mix: Mix) -> None:
    """Fill the job table of a database that is up to date and empty. Owners and priorities alternate."""
    database = Database.open(url)
    try:
        now = database.write_now(_begin)
        for kind, count in (("ended", mix.ended), ("running", mix.running), ("pending", mix.pending)):
            values = _values_of(kind, now)
            for first in range(0, count, _TOGETHER):
                numbers = range(first, min(count, first + _TOGETHER))
                database.write_now(lambda c, k=kind, n=numbers, v=values: _copy(c, k, n, now, v))  # type: ignore[misc] # bound in the loop
        database.write_now(_finish)
    finally:
        database.close_now()


def _begin(conn: Connection) -> float:
    audio = StoredAudio(f"{_TEMPLATE}/0-audio", "0" * 64, 1_000_000)
    options = Options.model_validate({})
    create_job(conn, NewJob(_TEMPLATE, "nobody", "talk.mp3", Source(SourceKind.UPLOAD), options, audio=audio))
    return read_clock(conn)


def _values_of(kind: str, now: float) -> dict[str, Any]:
    if kind == "ended":
        return {
            "status": JobStatus.COMPLETED, "attempt": 1, "last_seq": 12, "finished_at": as_datetime(now),
            "claim_engine": "whisper", "claim_model": "small", "frozen_engine": "whisper", "frozen_model": "small",
            "audio_name": None, "audio_sha256": None, "result_text": "What was said. " * 10, "events_pruned": True,
            "duration": 60.0, "language": "en", "windows_done": 2, "windows_planned": 2, "plan_complete": True,
        }  # fmt: skip
    if kind == "running":
        return {
            "status": JobStatus.PROCESSING, "attempt": 1, "lease_token": "token", "lease_expires_at": now + 1e6,
            "worker_id": "worker", "claimed_at": now,
        }  # fmt: skip
    return {}


def _finish(conn: Connection) -> None:
    control.remove(conn, None, _TEMPLATE)
    if conn.dialect.name == "postgresql":
        conn.execute(text("ANALYZE"))  # as its autovacuum does within a minute


def _copy(conn: Connection, kind: str, run: range, now: float, values: dict[str, Any]) -> None:
    """Insert a copy of the template for each number, with other values."""
    first = select(literal(run.start).label("n")).cte("numbers", recursive=True)
    numbers = first.union_all(select(first.c.n + 1).where(first.c.n < run.stop - 1))
    n = numbers.c.n
    values = {
        "id": literal(f"{kind}-") + cast(n, String),
        "owner": literal("owner-") + cast(n % OWNERS, String),
        "priority": n // OWNERS % PRIORITIES,
        "available_at": literal(now - 2e6) + n,
        **values,
    }
    template = job.alias("template_row")
    names = [column.name for column in job.c if column.computed is None]
    columns = [_value(name, values, template.c[name]) for name in names]
    source = select(*columns).select_from(numbers.join(template, template.c.id == _TEMPLATE))
    conn.execute(insert(job).from_select(names, source))


def _value(name: str, values: dict[str, Any], otherwise: ColumnElement[Any]) -> ColumnElement[Any]:
    if name not in values:
        return otherwise
    value = values[name]
    return value if isinstance(value, ColumnElement) else literal(value, job.c[name].type)
