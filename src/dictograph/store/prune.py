"""Retention: what was kept long enough goes, a batch at a time.

Where rows are locked, one that somebody else is changing is left for the next turn: two workers that
prune at once share the work, and a job that is being run again keeps what it has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, select, update

from dictograph.store import news
from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.tables import event, job

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
    """Remove the events of at most `limit` jobs that ended so long ago; returns how many.

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
        conn.execute(update(job).where(job.c.id == job_id).values(events_pruned=True))
        if removed >= limit * _EVENTS_PER_JOB:
            break
    return removed


def unnamed(conn: Connection, names: Iterable[str]) -> list[str]:
    """Which of these objects no job names."""
    asked = list(names)
    named = set(conn.execute(select(job.c.audio_name).where(job.c.audio_name.in_(asked))).scalars())
    return [name for name in asked if name not in named]


def _before(conn: Connection, seconds: float) -> datetime:
    return as_datetime(read_clock(conn) - seconds)
