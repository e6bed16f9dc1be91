"""What must reach the outside: written with the state it tells of, sent at least once, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, delete, exists, insert, select, update

from dictograph.job import ErrorRecord
from dictograph.store import changes
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.jobs.rows import JobRow
from dictograph.store.tables import dead_letter, job, outbox

#: The destination of wake-ups for workers.
DISPATCH = "dispatch"

#: What the destination of a webhook begins with; the id of its delivery follows. They have a relay of their own.
WEBHOOK = "webhook:"

_older = outbox.alias("older")
_goes_before = exists().where(
    _older.c.job_id == outbox.c.job_id, _older.c.destination == outbox.c.destination, _older.c.id < outbox.c.id
)

#: The condition for a wake-up. What else there is a later version wrote, and only that knows where to send it.
IS_DISPATCH: ColumnElement[bool] = outbox.c.destination == DISPATCH

#: The condition for a webhook.
IS_WEBHOOK: ColumnElement[bool] = outbox.c.destination.startswith(WEBHOOK, autoescape=True)

# Made once, as all statements that every job needs: to put one together takes longer than its answer.
_PUT = insert(outbox)
_DUE = (
    select(outbox)
    .where(outbox.c.available_at <= now_epoch(), IS_DISPATCH, ~_goes_before)
    .order_by(outbox.c.available_at, outbox.c.id)
    .limit(bindparam("most", type_=Integer))
)
# Two relays may have sent the same: the one that comes later leaves to the other what that is deleting.
_free = select(outbox.c.id).where(outbox.c.id.in_(bindparam("ids", expanding=True))).order_by(outbox.c.id)
_SENT = delete(outbox).where(outbox.c.id.in_(_free.with_for_update(skip_locked=True)))


@dataclass(frozen=True, slots=True)
class Message:
    """Something to send. `message_id` stays the same however often it is sent."""

    id: int
    job_id: str
    destination: str
    message_id: str
    payload: dict[str, Any]
    attempts: int


def dispatch(conn: Connection, row: JobRow) -> None:
    """Have workers woken for a job that is pending, once it is available."""
    now = read_clock(conn)
    if row.available_at <= now:
        changes.of_work(conn)
    changes.of_message(conn)
    enqueue(
        conn,
        now,
        job_id=row.id,
        destination=DISPATCH,
        message_id=f"{row.id}:{DISPATCH}:{row.last_seq}",
        payload={"job_id": row.id},
        available_at=row.available_at,
    )


def enqueue(conn: Connection, now: float, **values: Any) -> None:
    """Put a message or webhook into the outbox; `values` are those of its row, but for what every new one has."""
    conn.execute(_PUT, {"attempts": 0, "created_at": as_datetime(now), **values})


def due(conn: Connection, limit: int) -> list[Message]:
    """Wake-ups to be sent now: of each job only the oldest, at most `limit`."""
    return [
        Message(row.id, row.job_id, row.destination, row.message_id, row.payload, row.attempts)
        for row in conn.execute(_DUE, {"most": limit})
    ]


def mark_sent(conn: Connection, ids: Sequence[int]) -> None:
    """These have arrived."""
    conn.execute(_SENT, {"ids": list(ids)})


def postpone(conn: Connection, id: int, seconds: float, error: str) -> bool:
    """This could not be sent; try again after so many seconds. False when it is no longer there."""
    change = update(outbox).where(outbox.c.id == id)
    values = {"attempts": outbox.c.attempts + 1, "available_at": now_epoch() + seconds, "last_error": error}
    return conn.execute(change.values(**values)).rowcount > 0


def add_dead_letter(conn: Connection, id: int, error: ErrorRecord) -> bool:
    """This can never be sent: it becomes a dead letter, and what waits behind it goes on. False when it is no longer
    there."""
    conn.execute(_job_of(id))
    row = conn.execute(delete(outbox).where(outbox.c.id == id).returning(outbox)).one_or_none()
    if row is None:
        return False
    changes.of_message(conn)
    conn.execute(
        insert(dead_letter).values(
            job_id=row.job_id,
            destination=row.destination,
            message_id=row.message_id,
            payload=row.payload,
            error_code=error.code,
            error_message=error.message,
            stage=error.stage or "PUBLISH",
            created_at=as_datetime(read_clock(conn)),
        )
    )
    return True


def _job_of(id: int) -> Select[tuple[str]]:
    """The message's job, locked before the message as everybody does it, so that none waits for another in a ring."""
    mine = select(outbox.c.job_id).where(outbox.c.id == id).scalar_subquery()
    return select(job.c.id).where(job.c.id == mine).with_for_update(read=True, key_share=True)
