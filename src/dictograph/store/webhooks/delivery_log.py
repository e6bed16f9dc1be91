"""The log of webhook deliveries: their results, and redelivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from dictograph.errors import NotFound
from dictograph.store import outbox
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.cursor import beyond, cursor_after
from dictograph.store.tables import outbox as messages
from dictograph.store.tables import webhook_delivery as deliveries
from dictograph.store.tolerant import known_or_text
from dictograph.store.webhooks.deliveries import add_message, hold_job
from dictograph.webhooks.delivery import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filter of a list of deliveries; None: any."""

    job_id: str | None = None
    state: DeliveryState | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, newest first, and the cursor of the next page; None when there are no more."""

    deliveries: list[Delivery]
    next_cursor: str | None


def list_deliveries(conn: Connection, owner: str | None, wanted: Wanted) -> DeliveryPage:
    """Return a page of an owner's deliveries (None: all owners). Raises InvalidRequest for a cursor of another list."""
    row = deliveries.c
    conditions: list[ColumnElement[bool] | None] = [
        row.owner == owner if owner is not None else None,
        row.job_id == wanted.job_id if wanted.job_id is not None else None,
        row.state == wanted.state.value if wanted.state is not None else None,
        beyond(wanted.cursor, row.created_at, row.id) if wanted.cursor else None,
    ]
    query = (
        select(deliveries)
        .where(*(condition for condition in conditions if condition is not None))
        .order_by(row.created_at.desc(), row.id.desc())
        .limit(wanted.limit + 1)
    )
    rows = conn.execute(query).all()
    last = rows[wanted.limit - 1] if len(rows) > wanted.limit else None
    shown = rows[: wanted.limit]
    times = _next_attempts(conn, shown)
    return DeliveryPage(
        [_as_delivery(row, times) for row in shown],
        cursor_after(last.created_at, last.id) if last is not None else None,
    )


def redeliver(conn: Connection, owner: str | None, id: str) -> Delivery:
    """Send a delivery again now, whatever its state, with a full number of attempts. Its webhook id stays the same.

    Raises NotFound when it does not exist, or (unless `owner` is None) belongs to another owner.
    """
    mine = [deliveries.c.id == id, *([deliveries.c.owner == owner] if owner is not None else [])]
    job_id = conn.execute(select(deliveries.c.job_id).where(*mine)).scalar_one_or_none()
    if job_id is None:
        raise NotFound(f"There is no delivery {id}.")
    hold_job(conn, job_id)
    now = read_clock(conn)
    change = update(deliveries).where(*mine).values(state=DeliveryState.PENDING.value).returning(deliveries)
    row = conn.execute(change).one_or_none()
    if row is None:
        raise NotFound(f"There is no delivery {id}.")
    message = (messages.c.job_id == job_id, messages.c.destination == outbox.WEBHOOK + id)
    again = update(messages).where(*message).values(available_at=now_epoch(), attempts=0)
    if conn.execute(again).rowcount == 0:
        add_message(conn, job_id, id, now)
    return _as_delivery(row, _next_attempts(conn, [row]))


def _next_attempts(conn: Connection, rows: Sequence[Row[Any]]) -> Mapping[str, float]:
    """Return the time of the next attempt of each pending delivery, in seconds since 1970, by destination."""
    pending = [row for row in rows if row.state == DeliveryState.PENDING.value]
    query = select(messages.c.destination, messages.c.available_at).where(
        messages.c.job_id.in_({row.job_id for row in pending}),
        messages.c.destination.in_([outbox.WEBHOOK + row.id for row in pending]),
    )
    return {row.destination: row.available_at for row in conn.execute(query)}


def _as_delivery(row: Row[Any], next_attempts: Mapping[str, float]) -> Delivery:
    then = next_attempts.get(outbox.WEBHOOK + row.id)
    return Delivery(
        id=row.id,
        job_id=row.job_id,
        owner=row.owner,
        webhook_id=row.message_id,
        type=row.type,
        url=row.url,
        payload=row.payload,
        state=known_or_text(DeliveryState, row.state),
        attempts=row.attempts,
        status_code=row.status_code,
        last_error=row.last_error,
        created_at=row.created_at,
        attempted_at=row.attempted_at,
        next_attempt_at=None if then is None else as_datetime(then),
    )
