"""Messages that came from a broker: each is stored in the transaction that makes its job, or its dead letter."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, insert, select, update

from dictograph.job import JobStatus
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.outbox import IS_OWED
from dictograph.store.tables import intake, job, outbox

_LIVE = (JobStatus.PENDING, JobStatus.PROCESSING)


@dataclass(frozen=True, slots=True)
class Intake:
    """A message as it is stored; the table's description names the fields."""

    id: str
    contract: str
    topic: str
    partition: int
    offset: int
    value_mark: str
    key: bytes | None = None
    value: bytes | None = None
    job_id: str | None = None
    sender_id: str | None = None
    attempt: int = 0
    trace: Mapping[str, Any] = field(default_factory=dict)
    reply: Mapping[str, Any] = field(default_factory=dict)
    error_code: str | None = None
    ends: int = 0


_COLUMNS = [intake.c[name] for name in Intake.__dataclass_fields__]


def digest(text: str | bytes) -> str:
    """Return the SHA-256 of a text or of bytes, in hexadecimal."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()


def store(conn: Connection, new: Intake) -> None:
    """Store a message that came. Its job, if it has one, is stored already."""
    mark = None if new.sender_id is None else digest(new.sender_id)
    now = as_datetime(read_clock(conn))
    conn.execute(insert(intake), {**asdict(new), "sender_mark": mark, "created_at": now})


def hold_sender(conn: Connection, contract: str, sender_id: str) -> None:
    """Let no other transaction store a message of this sender's id until the end of this one: of two workers that get
    the same one, one makes the job and the other finds it."""
    if conn.dialect.name == "postgresql":  # SQLite has one writer at a time
        text = f"{contract}:{digest(sender_id)}"
        conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(text, 0))))


def of_sender(conn: Connection, contract: str, sender_id: str) -> Intake | None:
    """Return the message with this id of the sender that became a job."""
    mine = (intake.c.contract == contract, intake.c.sender_mark == digest(sender_id), intake.c.job_id.is_not(None))
    return _one(conn, select(*_COLUMNS).where(*mine))


def of_value(conn: Connection, contract: str, value_mark: str) -> Intake | None:
    """Return a message with this value that became no job."""
    mine = (intake.c.contract == contract, intake.c.value_mark == value_mark, intake.c.job_id.is_(None))
    return _one(conn, select(*_COLUMNS).where(*mine).order_by(intake.c.created_at).limit(1))


def of_job(conn: Connection, job_id: str) -> Intake | None:
    """Return the message that became this job."""
    return _one(conn, select(*_COLUMNS).where(intake.c.job_id == job_id))


def count_end(conn: Connection, id: str) -> int:
    """Count an end of the message's job; returns how many there were before: a failed job may be run again."""
    change = update(intake).where(intake.c.id == id).values(ends=intake.c.ends + 1).returning(intake.c.ends)
    return int(conn.execute(change).scalar_one()) - 1


def owes(conn: Connection, job_id: str, *, ended: bool) -> bool:
    """Return whether the job owes its sender an answer: one that has not gone out, or that its end will make."""
    waiting = select(exists().where(outbox.c.job_id == job_id, IS_OWED))
    if conn.execute(waiting).scalar():
        return True
    if ended:
        return False
    found = of_job(conn, job_id)
    return found is not None and bool(found.reply)


def settled(conn: Connection, ids: Collection[str]) -> set[str]:
    """Return which of these messages need nothing more: their job has ended, or there was none, and all their answers
    have gone out; or their row is gone."""
    mine = intake.c.id.in_(list(ids))
    live = exists().where(job.c.id == intake.c.job_id, job.c.status.in_(_LIVE))
    owing = exists().where(outbox.c.intake_id == intake.c.id, IS_OWED)
    open_ones = conn.execute(select(intake.c.id).where(mine, live | owing)).scalars()
    return set(ids) - set(open_ones)


def reached(conn: Connection, topic: str, *, stored: bool) -> dict[int, int]:
    """Return for each partition of a topic the highest offset that is done. With `stored`, that is the highest of which
    there is a row; else the highest before the first that still owes something."""
    mine = intake.c.topic == topic
    live = exists().where(job.c.id == intake.c.job_id, job.c.status.in_(_LIVE))
    owing = exists().where(outbox.c.intake_id == intake.c.id, IS_OWED)
    waits = select(intake.c.partition, func.min(intake.c.offset).label("first")).where(mine, live | owing)
    first = waits.group_by(intake.c.partition).subquery()
    done = select(intake.c.partition, func.max(intake.c.offset)).where(mine).group_by(intake.c.partition)
    if not stored:
        done = done.outerjoin(first, first.c.partition == intake.c.partition).where(
            first.c.first.is_(None) | (intake.c.offset < first.c.first)
        )
    return {partition: int(offset) for partition, offset in conn.execute(done)}


def has_job(conn: Connection, id: str) -> bool:
    """Return whether the message became a job."""
    return conn.execute(select(intake.c.job_id).where(intake.c.id == id)).scalar_one_or_none() is not None


def live_jobs(conn: Connection, ids: Collection[str]) -> list[str]:
    """Return the jobs of these messages that have not ended."""
    mine = (intake.c.id.in_(list(ids)), job.c.id == intake.c.job_id, job.c.status.in_(_LIVE))
    return list(conn.execute(select(job.c.id).where(*mine).order_by(job.c.id)).scalars())


def with_ended_job(conn: Connection, ids: Collection[str]) -> list[str]:
    """Return which of these messages have a job that has ended, and answers that have not gone out."""
    mine = (intake.c.id.in_(list(ids)), job.c.id == intake.c.job_id, job.c.status.not_in(_LIVE))
    owing = exists().where(outbox.c.intake_id == intake.c.id, IS_OWED)
    return list(conn.execute(select(intake.c.id).where(*mine, owing)).scalars())


def _one(conn: Connection, query: Select[Any]) -> Intake | None:
    row = conn.execute(query).one_or_none()
    return None if row is None else _intake(row)


def _intake(row: Row[Any]) -> Intake:
    return Intake(**row._asdict())
