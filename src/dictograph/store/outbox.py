"""The outbox: messages to other parts, written in the transaction of the change, sent at least once, in order."""

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

#: The prefix of a webhook's destination; the id of its delivery follows. Webhooks have a separate relay.
WEBHOOK = "webhook:"

_older = outbox.alias("older")
_goes_before = exists().where(
    _older.c.job_id == outbox.c.job_id, _older.c.destination == outbox.c.destination, _older.c.id < outbox.c.id
)

#: The condition for a wake-up. Other destinations are of a later version, and only that version can send to them.
IS_DISPATCH: ColumnElement[bool] = outbox.c.destination == DISPATCH

#: The condition for a webhook.
IS_WEBHOOK: ColumnElement[bool] = outbox.c.destination.startswith(WEBHOOK, autoescape=True)

# Made once, like all statements that every job needs: building one takes longer than running it.
_PUT = insert(outbox)
_DUE = (
    select(outbox)
    .where(outbox.c.available_at <= now_epoch(), IS_DISPATCH, ~_goes_before)
    .order_by(outbox.c.available_at, outbox.c.id)
    .limit(bindparam("most", type_=Integer))
)
# Two relays may have sent the same message: the later one skips the rows that the other one is deleting.
_free = select(outbox.c.id).where(outbox.c.id.in_(bindparam("ids", expanding=True))).order_by(outbox.c.id)
_SENT = delete(outbox).where(outbox.c.id.in_(_free.with_for_update(skip_locked=True)))


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. `message_id` stays the same when it is sent again."""

    id: int
    job_id: str
    destination: str
    message_id: str
    payload: dict[str, Any]
    attempts: int


def dispatch(conn: Connection, row: JobRow) -> None:
    """Enqueue a wake-up of workers for a pending job, due when the job is available."""
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
    """Put a message or webhook into the outbox. `values` are those of its row, without the defaults of a new row."""
    conn.execute(_PUT, {"attempts": 0, "created_at": as_datetime(now), **values})


def due(conn: Connection, limit: int) -> list[Message]:
    """Return the wake-ups to be sent now: of each job only the oldest, at most `limit`."""
    return [
        Message(row.id, row.job_id, row.destination, row.message_id, row.payload, row.attempts)
        for row in conn.execute(_DUE, {"most": limit})
    ]


def mark_sent(conn: Connection, ids: Sequence[int]) -> None:
    """Remove messages that were sent."""
    conn.execute(_SENT, {"ids": list(ids)})


def postpone(conn: Connection, id: int, seconds: float, error: str) -> bool:
    """Delay a message that could not be sent, by `seconds`. False when the message is gone."""
    change = update(outbox).where(outbox.c.id == id)
    values = {"attempts": outbox.c.attempts + 1, "available_at": now_epoch() + seconds, "last_error": error}
    return conn.execute(change.values(**values)).rowcount > 0


def add_dead_letter(conn: Connection, id: int, error: ErrorRecord) -> bool:
    """Make a dead letter of a message that can never be sent. The messages after it go on. False when the message is
    gone."""
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
    """Return the query that locks the message's job. All transactions lock it before the message: no deadlock."""
    mine = select(outbox.c.job_id).where(outbox.c.id == id).scalar_subquery()
    return select(job.c.id).where(job.c.id == mine).with_for_update(read=True, key_share=True)
