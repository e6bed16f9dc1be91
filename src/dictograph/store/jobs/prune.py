"""Retention: rows that were kept long enough are removed, a batch at a time.

On PostgreSQL, a row that another transaction is changing is left for the next round. So two workers that prune at once
share the work, and a job that is being retried keeps its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, delete, exists, select, union_all, update

from dictograph.job import SourceKind
from dictograph.store import changes, events
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.outbox import IS_OWED
from dictograph.store.tables import event, intake, job, outbox, upload_slot, webhook_delivery
from dictograph.webhooks.delivery import DeliveryState

#: The most events and windows, roughly, of one batch of jobs. SQLite removes some ten thousand in a second, and no one
#: else can write meanwhile.
_MOST_ROWS = 2000


#: Nothing was uploaded to an address of this service. Whether something was uploaded past it, only the bucket knows.
_COMES_THROUGH_US = and_(upload_slot.c.size.is_(None), upload_slot.c.object_name == upload_slot.c.id + "/upload")


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of one batch. `more`: more rows may be due. `objects`: objects that no row names any more, to be
    deleted."""

    more: bool
    objects: list[str] = field(default_factory=list)


def prune_audio(conn: Connection, older_than_s: float, limit: int) -> Pruned:
    """Take the audio from jobs that ended more than `older_than_s` seconds ago."""
    query = (
        select(job.c.id, job.c.audio_name)
        .where(job.c.audio_name.is_not(None), job.c.finished_at < _before(conn, older_than_s))
        .order_by(job.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(query).all()
    conn.execute(update(job).where(job.c.id.in_([row.id for row in rows])).values(audio_name=None))
    return Pruned(len(rows) == limit, [row.audio_name for row in rows])


def prune_jobs(conn: Connection, older_than_s: float, limit: int) -> Pruned:
    """Remove jobs that ended more than `older_than_s` seconds ago, with all their rows. A job whose result has not gone
    out to a broker yet stays."""
    logged = case((job.c.events_pruned, 0), else_=job.c.last_seq)
    query = (
        select(job.c.id, job.c.audio_name, logged.label("events"), (logged + job.c.windows_planned).label("weight"))
        .where(job.c.finished_at < _before(conn, older_than_s), ~_owing())
        .order_by(job.c.finished_at)
    )
    rows, more = _batch(conn, query, limit)
    if _is_shortened(conn, rows):
        return Pruned(more=True)
    conn.execute(delete(job).where(job.c.id.in_([row.id for row in rows])))
    for row in rows:
        changes.of_job(conn, row.id)
    return Pruned(more, [row.audio_name for row in rows if row.audio_name])


def prune_events(conn: Connection, older_than_s: float, limit: int) -> Pruned:
    """Remove the events of jobs that ended more than `older_than_s` seconds ago, and the log of their webhooks.

    A job keeps its `last_seq`: later events continue the numbers.
    """
    query = (
        select(job.c.id, job.c.last_seq.label("events"), job.c.last_seq.label("weight"))
        .where(job.c.events_pruned.is_(False), job.c.finished_at < _before(conn, older_than_s))
        .order_by(job.c.finished_at)
    )
    rows, more = _batch(conn, query, limit)
    if _is_shortened(conn, rows):
        return Pruned(more=True)
    ids = [row.id for row in rows]
    over = webhook_delivery.c.state != DeliveryState.PENDING.value
    conn.execute(delete(event).where(event.c.job_id.in_(ids)))
    conn.execute(delete(webhook_delivery).where(webhook_delivery.c.job_id.in_(ids), over))
    conn.execute(update(job).where(job.c.id.in_(ids)).values(events_pruned=True))
    return Pruned(more)


def _batch(conn: Connection, query: Select[Any], limit: int) -> tuple[Sequence[Row[Any]], bool]:
    """Return the first jobs of the query, locked, and whether there may be more. There is at least one job; together
    their `weight` is at most `_MOST_ROWS`."""
    found = conn.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
    light = sum(total <= _MOST_ROWS for total in accumulate(row.weight for row in found))
    rows = found[: max(1, light)]
    return rows, len(rows) < len(found) or len(found) == limit


def _is_shortened(conn: Connection, rows: Sequence[Row[Any]]) -> bool:
    """Return whether the first job has too many events for one batch, so that only its oldest events were removed.

    Its windows are no problem: the limit on the audio's length bounds them, and without them a job could not be
    retried.
    """
    if not rows or rows[0].events <= _MOST_ROWS:
        return False
    first = events.first_seq(conn, rows[0].id) or 0
    oldest = delete(event).where(event.c.job_id == rows[0].id, event.c.seq < first + _MOST_ROWS)
    return conn.execute(oldest).rowcount == _MOST_ROWS


def prune_uploads(conn: Connection, expired_for_s: float, limit: int) -> Pruned:
    """Remove upload addresses that expired more than `expired_for_s` seconds ago, unless a job waits for the object."""
    query = (
        select(upload_slot.c.id, upload_slot.c.object_name, _COMES_THROUGH_US.label("empty"))
        .where(
            upload_slot.c.expires_at < now_epoch() - expired_for_s, upload_slot.c.object_name.not_in(_needed_objects())
        )
        .order_by(upload_slot.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(query).all()
    conn.execute(delete(upload_slot).where(upload_slot.c.id.in_([row.id for row in rows])))
    return Pruned(len(rows) == limit, [row.object_name for row in rows if not row.empty])


def prune_empty_uploads(conn: Connection, expired_for_s: float, limit: int) -> Pruned:
    """Remove upload addresses that expired more than `expired_for_s` seconds ago, and to which nothing was uploaded.
    A client may have requested very many of them."""
    due = select(upload_slot.c.id).where(_COMES_THROUGH_US, upload_slot.c.expires_at < now_epoch() - expired_for_s)
    first = due.order_by(upload_slot.c.created_at).limit(limit)
    return Pruned(conn.execute(delete(upload_slot).where(upload_slot.c.id.in_(first))).rowcount == limit)


def unnamed(conn: Connection, names: Iterable[str]) -> list[str]:
    """Return which of these objects neither a job nor an upload slot names."""
    asked = list(names)
    named = set(conn.execute(select(job.c.audio_name).where(job.c.audio_name.in_(asked))).scalars())
    named |= set(conn.execute(select(upload_slot.c.object_name).where(upload_slot.c.object_name.in_(asked))).scalars())
    return [name for name in asked if name not in named]


def names_objects(conn: Connection) -> bool:
    """Return whether any row names an object."""
    of_jobs = select(job.c.id).where(job.c.audio_name.is_not(None)).limit(1)
    of_uploads = select(upload_slot.c.id).where(upload_slot.c.size.is_not(None)).limit(1)
    return any(conn.execute(query).first() is not None for query in (of_jobs, of_uploads))


def _needed_objects() -> Select[tuple[str]]:
    """Return the objects of waiting and running jobs: two queries, each on an index that holds only such jobs."""
    made_of = select(job.c.url).where(job.c.source_kind == SourceKind.OBJECT.value)
    live = [made_of.where(owner.is_not(None)) for owner in (job.c.queued_owner, job.c.running_owner)]
    return select(union_all(*live).subquery().c.url)


def prune_intakes(conn: Connection, older_than_s: float, limit: int) -> Pruned:
    """Remove messages of a broker that became no job and came more than `older_than_s` seconds ago, unless their dead
    letter has not gone out yet. Those that became a job go with the job."""
    owed = exists().where(outbox.c.intake_id == intake.c.id)
    due = select(intake.c.id).where(intake.c.job_id.is_(None), intake.c.created_at < _before(conn, older_than_s), ~owed)
    first = due.order_by(intake.c.created_at).limit(limit)
    return Pruned(conn.execute(delete(intake).where(intake.c.id.in_(first))).rowcount == limit)


def _owing() -> ColumnElement[bool]:
    return exists().where(outbox.c.job_id == job.c.id, IS_OWED)


def _before(conn: Connection, seconds: float) -> datetime:
    return as_datetime(read_clock(conn) - seconds)
