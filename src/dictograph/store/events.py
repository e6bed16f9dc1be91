"""The event log of a job: append-only, numbered from 1 without a gap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, bindparam, func, insert, select

from dictograph.store import changes
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.tables import event, job

#: The most jobs in one statement: databases limit its parameters.
_AT_ONCE = 1000

#: The highest number of an event, the limit of the column. PostgreSQL refuses to compare it with a larger number.
LAST_SEQ = 2**31 - 1

_APPEND = insert(event)
_AFTER = (
    select(event)
    .where(event.c.job_id == bindparam("of_job"), event.c.seq > bindparam("after"))
    .order_by(event.c.seq)
    .limit(bindparam("most", type_=Integer))
)
_LAST = select(job.c.id, job.c.last_seq).where(job.c.id.in_(bindparam("ids", expanding=True)))

#: The types that end a run. Only `retried` may follow one of them.
TERMINAL = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class Event:
    """An event in a job's log."""

    job_id: str
    seq: int
    type: str
    data: dict[str, Any]
    created_at: datetime


def append(conn: Connection, job_id: str, first_seq: int, entries: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Add events (type, data) with the numbers that an update of the job's row has reserved."""
    now = as_datetime(read_clock(conn))
    rows = [
        {"job_id": job_id, "seq": seq, "type": type, "data": dict(data), "created_at": now}
        for seq, (type, data) in enumerate(entries, first_seq)
    ]
    if rows:
        conn.execute(_APPEND, rows)
        changes.of_job(conn, job_id)


def read_events(conn: Connection, job_id: str, after: int, limit: int = 200) -> list[Event]:
    """Return the job's events with a number above `after`, which may be any, oldest first, at most `limit`."""
    rows = conn.execute(_AFTER, {"of_job": job_id, "after": min(after, LAST_SEQ), "most": limit})
    return [Event(row.job_id, row.seq, row.type, row.data, row.created_at) for row in rows]


def last_seqs(conn: Connection, job_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of the last event of each job; a job that is gone is absent."""
    asked = list(job_ids)
    found: dict[str, int] = {}
    for first in range(0, len(asked), _AT_ONCE):
        rows = conn.execute(_LAST, {"ids": asked[first : first + _AT_ONCE]})
        found |= {str(row.id): int(row.last_seq) for row in rows}
    return found


def first_seq(conn: Connection, job_id: str) -> int | None:
    """Return the number of the oldest event that is still kept; None when there is none."""
    first: int | None = conn.execute(select(func.min(event.c.seq)).where(event.c.job_id == job_id)).scalar_one()
    return first
