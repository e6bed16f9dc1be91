"""Webhooks in the store: written in the transaction that ends the job, then sent until they succeed or fail for good.

A delivery is a row of the delivery log. While it is pending, it has a message in the outbox too. Each delivery has a
separate destination, so a retry of one does not delay others. Locks: the job, its delivery, its message.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Integer, bindparam, case, delete, exists, insert, select, update

from dictograph.errors import PublishError
from dictograph.job import ErrorRecord
from dictograph.store import changes, outbox
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.jobs.rows import JobRow, as_job
from dictograph.store.tables import api_key, job
from dictograph.store.tables import outbox as messages
from dictograph.store.tables import webhook_delivery as deliveries
from dictograph.webhooks.delivery import DeliveryState
from dictograph.webhooks.payload import job_payload

log = logging.getLogger(__name__)

_WAITING = (
    select(messages.c.id, messages.c.destination, messages.c.attempts)
    .where(messages.c.available_at <= now_epoch(), outbox.IS_WEBHOOK)
    .order_by(messages.c.available_at, messages.c.id)
    .limit(bindparam("most", type_=Integer))
)


@dataclass(frozen=True, slots=True)
class Due:
    """A webhook that is due: its message in the outbox, and the delivery. `attempts` counts the current round: a
    redelivery begins a new one."""

    message: int
    delivery_id: str
    job_id: str
    owner: str
    webhook_id: str
    type: str
    url: str
    payload: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """The result of an attempt. `state` is the new state of the delivery; a pending one is sent again after `wait`
    seconds. `status` is None without an answer, `error` is None without an error."""

    state: DeliveryState
    status: int | None = None
    error: str | None = None
    wait: float = 0.0


def enqueue_end_webhook(conn: Connection, row: JobRow) -> None:
    """Enqueue the webhook for the end of a job, to the job's URL, else to the URL of its key, if there is one."""
    url = row.webhook_url or _url_of_key(conn, row.key_id)
    if url is None or _has_gone(conn, row.id, url):
        return
    id, payload = uuid4(), job_payload(as_job(row))
    now = read_clock(conn)
    conn.execute(
        insert(deliveries).values(
            id=str(id),
            job_id=row.id,
            owner=row.owner,
            message_id=f"msg_{id.hex}",
            type=payload["type"],
            url=url,
            payload=payload,
            state=DeliveryState.PENDING.value,
            attempts=0,
            created_at=as_datetime(now),
        )
    )
    add_message(conn, row.id, str(id), now)


def add_message(conn: Connection, job_id: str, delivery_id: str, now: float) -> None:
    """Put a delivery into the outbox, due at once."""
    changes.of_webhook(conn)
    outbox.enqueue(
        conn,
        now,
        job_id=job_id,
        destination=outbox.WEBHOOK + delivery_id,
        message_id=outbox.WEBHOOK + delivery_id,
        payload={"delivery": delivery_id},
        available_at=now,
    )


def due(conn: Connection, limit: int) -> list[Due]:
    """Return the webhooks to be sent now, the longest due first, at most `limit`."""
    waiting = conn.execute(_WAITING, {"most": limit})
    found = {row.destination.removeprefix(outbox.WEBHOOK): row for row in waiting}
    if not found:
        return []
    rows = {row.id: row for row in conn.execute(select(deliveries).where(deliveries.c.id.in_(list(found))))}
    return [_due(found[id], rows[id]) for id in found if id in rows]


def hold(conn: Connection, waits: Mapping[int, float]) -> set[int]:
    """Hide each of these messages for its number of seconds; returns those that were due until now.

    A process does this before it sends a message. So only one process sends it, and another one can when the first
    has died.
    """
    free = (
        select(messages.c.id)
        .where(messages.c.id.in_(list(waits)), messages.c.available_at <= now_epoch())
        .order_by(messages.c.id)
        .with_for_update(skip_locked=True)
    )
    ids = list(conn.execute(free).scalars())
    if ids:
        until = now_epoch() + case({id: waits[id] for id in ids}, value=messages.c.id)
        conn.execute(update(messages).where(messages.c.id.in_(ids)).values(available_at=until))
    return set(ids)


def record(conn: Connection, sent: Due, attempt: Attempt) -> None:
    """Record the result of an attempt, and the next step."""
    hold_job(conn, sent.job_id)
    conn.execute(select(deliveries.c.id).where(deliveries.c.id == sent.delivery_id).with_for_update())
    if not _settle(conn, sent, attempt):
        return  # somebody else was quicker, or the job is gone
    conn.execute(
        update(deliveries)
        .where(deliveries.c.id == sent.delivery_id)
        .values(
            state=attempt.state.value,
            attempts=deliveries.c.attempts + 1,
            status_code=attempt.status,
            last_error=attempt.error,
            attempted_at=as_datetime(read_clock(conn)),
        )
    )
    if attempt.state is DeliveryState.GONE:
        _forget_url(conn, sent)


def hold_job(conn: Connection, job_id: str) -> None:
    """Lock the job. All transactions lock it before its other rows: no deadlock."""
    conn.execute(select(job.c.id).where(job.c.id == job_id).with_for_update(read=True, key_share=True))


def _settle(conn: Connection, sent: Due, attempt: Attempt) -> bool:
    """Postpone, dead-letter or remove the message; False when it no longer existed."""
    match attempt.state:
        case DeliveryState.PENDING:
            return outbox.postpone(conn, sent.message, attempt.wait, attempt.error or "")
        case DeliveryState.FAILED:
            error = ErrorRecord(PublishError.code, attempt.error or "", PublishError.stage)
            return outbox.add_dead_letter(conn, sent.message, error)
        case _:
            return conn.execute(delete(messages).where(messages.c.id == sent.message)).rowcount > 0


def _due(message: Any, row: Any) -> Due:
    return Due(
        message.id, row.id, row.job_id, row.owner, row.message_id, row.type, row.url, row.payload, message.attempts
    )


def _url_of_key(conn: Connection, key_id: str | None) -> str | None:
    if key_id is None:
        return None
    return conn.execute(select(api_key.c.webhook_url).where(api_key.c.id == key_id)).scalar_one_or_none()


def _has_gone(conn: Connection, job_id: str, url: str) -> bool:
    """Return whether the receiver has answered before that it accepts no more webhooks of this job."""
    gone = (deliveries.c.job_id == job_id, deliveries.c.url == url, deliveries.c.state == DeliveryState.GONE.value)
    return bool(conn.execute(select(exists().where(*gone))).scalar())


def _forget_url(conn: Connection, sent: Due) -> None:
    """Remove the URL from the owner's keys: the receiver accepts no more webhooks."""
    named = (api_key.c.owner == sent.owner, api_key.c.webhook_url == sent.url)
    if conn.execute(update(api_key).where(*named).values(webhook_url=None)).rowcount:
        log.warning("webhook %s: the receiver is gone; keys that named it name none now", sent.webhook_id)
