"""Retention: what was kept long enough goes, a batch at a time.

Where rows are locked, one that somebody else is changing is left for the next turn: two workers that
prune at once share the work, and a job that is being run again keeps what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Select, delete, select, union_all, update

from dictograph.job import SourceKind
from dictograph.store import news
from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.tables import event, job, upload_slot, webhook_delivery
from dictograph.webhooks.delivery import DeliveryState

#: One batch removes no more than about so many events for each job of its limit, so that the
#: write lock is never held for long.
_EVENTS_PER_JOB = 100


def prune_audio(conn: Connection, older_than_s: float, limit: int) -> list[str]:
    """Take the audio from jobs that ended so long ago; returns the objects' names, to be deleted."""
    question = (
        select(job.c.id, job.c.audio_name)
        .where(job.c.audio_name.is_not(None), job.c.finished_at < _before(conn, older_than_s))
        .order_by(job.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(question).all()
    conn.execute(update(job).where(job.c.id.in_([row.id for row in rows])).values(audio_name=None))
    return [row.audio_name for row in rows]


def prune_jobs(conn: Connection, older_than_s: float, limit: int) -> list[str]:
    """Remove jobs that ended so long ago, with all they have; returns the names of their audio."""
    question = (
        select(job.c.id, job.c.audio_name)
        .where(job.c.finished_at < _before(conn, older_than_s))
        .order_by(job.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(question).all()
    conn.execute(delete(job).where(job.c.id.in_([row.id for row in rows])))
    for row in rows:
        news.of_job(conn, row.id)
    return [row.audio_name for row in rows if row.audio_name]


def prune_events(conn: Connection, older_than_s: float, limit: int) -> int:
    """Remove the events of at most `limit` jobs that ended so long ago, and the log of their webhooks; returns how
    many events.

    A job keeps its `last_seq`: what comes after is numbered on.
    """
    question = (
        select(job.c.id)
        .where(job.c.events_pruned.is_(False), job.c.finished_at < _before(conn, older_than_s))
        .order_by(job.c.finished_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    removed = 0
    for job_id in conn.execute(question).scalars().all():
        removed += conn.execute(delete(event).where(event.c.job_id == job_id)).rowcount
        over = webhook_delivery.c.state != DeliveryState.PENDING.value
        conn.execute(delete(webhook_delivery).where(webhook_delivery.c.job_id == job_id, over))
        conn.execute(update(job).where(job.c.id == job_id).values(events_pruned=True))
        if removed >= limit * _EVENTS_PER_JOB:
            break
    return removed


def prune_uploads(conn: Connection, expired_for_s: float, limit: int) -> list[str]:
    """Remove addresses to upload to that expired so long ago, but for those whose object a job still waits for;
    returns the names of their objects."""
    question = (
        select(upload_slot.c.id, upload_slot.c.object_name, upload_slot.c.size)
        .where(upload_slot.c.expires_at < now_epoch() - expired_for_s, upload_slot.c.object_name.not_in(_wanted()))
        .order_by(upload_slot.c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = conn.execute(question).all()
    conn.execute(delete(upload_slot).where(upload_slot.c.id.in_([row.id for row in rows])))
    return [row.object_name for row in rows if row.size is not None]


def prune_empty_uploads(conn: Connection, expired_for_s: float, limit: int) -> int:
    """Remove addresses that expired so long ago, and to which nothing was uploaded; returns how many. Nobody misses
    them, and whoever may ask for addresses can have very many."""
    due = select(upload_slot.c.id).where(
        upload_slot.c.size.is_(None), upload_slot.c.expires_at < now_epoch() - expired_for_s
    )
    first = due.order_by(upload_slot.c.created_at).limit(limit)
    return conn.execute(delete(upload_slot).where(upload_slot.c.id.in_(first))).rowcount


def unnamed(conn: Connection, names: Iterable[str]) -> list[str]:
    """Which of these objects no job names, and nobody uploaded to have a job made of it."""
    asked = list(names)
    named = set(conn.execute(select(job.c.audio_name).where(job.c.audio_name.in_(asked))).scalars())
    named |= set(conn.execute(select(upload_slot.c.object_name).where(upload_slot.c.object_name.in_(asked))).scalars())
    return [name for name in asked if name not in named]


def _wanted() -> Select[tuple[str]]:
    """The objects that jobs which wait or run are made of: two questions, each led into an index of such jobs alone."""
    made_of = select(job.c.url).where(job.c.source_kind == SourceKind.OBJECT.value)
    live = [made_of.where(owner.is_not(None)) for owner in (job.c.queued_owner, job.c.running_owner)]
    return select(union_all(*live).subquery().c.url)


def _before(conn: Connection, seconds: float) -> datetime:
    return as_datetime(read_clock(conn) - seconds)
