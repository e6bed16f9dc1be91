"""The outbox: messages to other parts, written in the transaction of the change, sent at least once, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    String,
    bindparam,
    delete,
    exists,
    insert,
    select,
    update,
)

from dictograph.job import ErrorRecord
from dictograph.store import changes
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.jobs.rows import JobRow
from dictograph.store.tables import dead_letter, job, outbox

#: The destination of wake-ups for workers.
DISPATCH = "dispatch"

#: The destination of answers that a broker's topics get. Each message names its topic.
BROKER = "broker"

#: The destination of messages that tell others of a job, through a broker's topic. Nobody waits for them.
ANNOUNCE = "announce"

#: The destination of changes for a pub/sub channel, at most once each.
CHANNEL = "channel"

#: The prefix of a webhook's destination; the id of its delivery follows. Webhooks have a separate relay.
WEBHOOK = "webhook:"

_older = outbox.alias("older")
_goes_before = exists().where(
    _older.c.order_key == outbox.c.order_key, _older.c.destination == outbox.c.destination, _older.c.id < outbox.c.id
)

#: The condition for a wake-up. Destinations that have no condition here are of a later version, and only that version
#: can send to them.
IS_DISPATCH: ColumnElement[bool] = outbox.c.destination == DISPATCH

#: The condition for an answer through a broker: the job, or what became no job, owes it to a sender.
IS_OWED: ColumnElement[bool] = outbox.c.destination == BROKER

#: The condition for a message that tells of a job.
IS_ANNOUNCEMENT: ColumnElement[bool] = outbox.c.destination == ANNOUNCE

#: The condition for a change for the channel.
IS_CHANNEL: ColumnElement[bool] = outbox.c.destination == CHANNEL

#: The condition for a webhook.
IS_WEBHOOK: ColumnElement[bool] = outbox.c.destination.startswith(WEBHOOK, autoescape=True)

# Made once, like all statements that every job needs: building one takes longer than running it.
_PUT = insert(outbox)
_due = (
    select(outbox.c.id)
    .where(
        outbox.c.available_at <= now_epoch(),
        outbox.c.destination == bindparam("of_destination", type_=String),
        ~_goes_before,
    )
    .order_by(outbox.c.available_at, outbox.c.id)
    .limit(bindparam("most", type_=Integer))
)
_DUE = select(outbox).where(outbox.c.id.in_(_due)).order_by(outbox.c.id)
# Other relays take at the same time: each skips the rows that another one is taking.
_FREE = _due.with_for_update(skip_locked=True)
_ids = select(outbox.c.id).where(outbox.c.id.in_(bindparam("ids", expanding=True))).order_by(outbox.c.id)
_SENT = delete(outbox).where(outbox.c.id.in_(_ids.with_for_update(skip_locked=True)))
_POSTPONED = (
    update(outbox)
    .where(outbox.c.id == bindparam("of_id"))
    .values(
        attempts=outbox.c.attempts + 1,
        available_at=now_epoch() + bindparam("seconds"),
        last_error=bindparam("error"),
    )
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to send. `message_id` stays the same when it is sent again. It belongs to a job, to the intake row of a
    message that came, or to both."""

    id: int
    job_id: str | None
    intake_id: str | None
    destination: str
    message_id: str
    payload: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Delay:
    """The time, in seconds, until a message that could not be sent is sent again, and why it could not."""

    seconds: float
    error: str


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
    """Put a message or webhook into the outbox. `values` are those of its row, without the defaults of a new row.

    Without an `order_key` it follows the other messages of its job to the same destination; a message without a job is
    sent in any order.
    """
    defaults = {"job_id": None, "intake_id": None, "attempts": 0, "created_at": as_datetime(now)}
    conn.execute(_PUT, {**defaults, "order_key": values.get("job_id"), **values})


def due(conn: Connection, limit: int, destination: str = DISPATCH) -> list[Message]:
    """Return the messages to be sent now: with each ordering key only the oldest, at most `limit`."""
    return [_message(row) for row in conn.execute(_DUE, {"most": limit, "of_destination": destination})]


def take(conn: Connection, destination: str, limit: int, hold: float, expires: float = 0.0) -> list[Message]:
    """Take messages that are due, in the order of their ids: nobody else takes them within `hold` seconds, which must
    be longer than it takes to send them.

    With `expires` (in seconds) messages are sent at most once, and not when they are older than that. Those that were
    taken before, by a process that has ended since, are removed and not returned.
    """
    ids = list(conn.execute(_FREE, {"most": limit, "of_destination": destination}).scalars())
    if not ids:
        return []
    held: dict[str, Any] = {"available_at": now_epoch() + hold}
    if expires:
        held["attempts"] = outbox.c.attempts + 1
    rows = list(conn.execute(update(outbox).where(outbox.c.id.in_(ids)).values(held).returning(*outbox.c)))
    if expires:
        oldest = as_datetime(read_clock(conn) - expires)
        spent = [row.id for row in rows if row.attempts > 1 or row.created_at < oldest]
        mark_sent(conn, spent)
        rows = [row for row in rows if row.id not in set(spent)]
    return sorted(map(_message, rows), key=lambda message: message.id)


def release(conn: Connection, ids: Sequence[int]) -> None:
    """Make messages due again that were taken but not sent."""
    conn.execute(update(outbox).where(outbox.c.id.in_(ids)).values(available_at=now_epoch()))


def hurry(conn: Connection, destination: str) -> None:
    """Make messages due that could not be sent before and wait to be sent again: their receiver is back."""
    late = (outbox.c.destination == destination, outbox.c.attempts > 0, outbox.c.available_at > now_epoch())
    if conn.execute(update(outbox).where(*late).values(available_at=now_epoch())).rowcount:
        changes.of_message(conn)


def mark_sent(conn: Connection, ids: Sequence[int]) -> None:
    """Remove messages that were sent."""
    conn.execute(_SENT, {"ids": list(ids)})


def postpone(conn: Connection, id: int, seconds: float, error: str) -> bool:
    """Delay a message that could not be sent, by `seconds`. False when the message is gone."""
    return conn.execute(_POSTPONED, {"of_id": id, "seconds": seconds, "error": error}).rowcount > 0


def postpone_all(conn: Connection, delays: Mapping[int, Delay]) -> None:
    """Delay messages that could not be sent, in the order of their ids."""
    if delays:
        rows = [{"of_id": id, "seconds": one.seconds, "error": one.error} for id, one in sorted(delays.items())]
        conn.execute(_POSTPONED, rows)


def replace_payload(conn: Connection, id: int, payload: dict[str, Any]) -> None:
    """Put another payload in the place of a message's, and make it due again. Its id stays."""
    conn.execute(update(outbox).where(outbox.c.id == id).values(payload=payload, available_at=now_epoch()))


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
            intake_id=row.intake_id,
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


def _message(row: Row[Any]) -> Message:
    return Message(row.id, row.job_id, row.intake_id, row.destination, row.message_id, row.payload, row.attempts)


def _job_of(id: int) -> Select[tuple[str]]:
    """Return the query that locks the message's job. All transactions lock it before the message: no deadlock."""
    mine = select(outbox.c.job_id).where(outbox.c.id == id).scalar_subquery()
    return select(job.c.id).where(job.c.id == mine).with_for_update(read=True, key_share=True)
