"""Idempotency keys: a client's name for a request, so that sending it twice makes one job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from dictograph.errors import IdempotencyInProgress
from dictograph.store.clock import now_epoch
from dictograph.store.tables import idempotency_key as table

#: How long a key is remembered.
KEPT_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the key was used for before: a job, and the fingerprint of the request that made it."""

    job_id: str
    fingerprint: str


def begin(conn: Connection, owner: str, key: str, process_id: str) -> Known | None:
    """Reserve a key; None when it is now ours to create a job for.

    Raises IdempotencyInProgress while the first request with this key is still being received.
    """
    mine = (table.c.owner == owner, table.c.key == key)
    conn.execute(delete(table).where(*mine, table.c.created_at < now_epoch() - KEPT_S))
    try:
        with conn.begin_nested():
            values = {"owner": owner, "key": key, "process_id": process_id, "created_at": now_epoch()}
            conn.execute(insert(table).values(**values))
        return None
    except IntegrityError:
        row = conn.execute(select(table).where(*mine)).one_or_none()
    if row is None or row.job_id is None:
        raise IdempotencyInProgress("A request with this Idempotency-Key is still being received; try again shortly.")
    return Known(row.job_id, row.fingerprint)


def settle(conn: Connection, owner: str, key: str, job_id: str, fingerprint: str) -> None:
    """The key now stands for this job. Belongs into the transaction that creates it."""
    change = update(table).where(table.c.owner == owner, table.c.key == key)
    conn.execute(change.values(job_id=job_id, fingerprint=fingerprint))


def abandon(conn: Connection, owner: str, key: str, process_id: str) -> None:
    """No job came of it: the key is free again."""
    conn.execute(
        delete(table).where(
            table.c.owner == owner,
            table.c.key == key,
            table.c.process_id == process_id,
            table.c.job_id.is_(None),
        )
    )


def abandon_processes(conn: Connection, process_ids: Iterable[str]) -> None:
    """These processes are dead: what they were still receiving will not come."""
    conn.execute(delete(table).where(table.c.process_id.in_(list(process_ids)), table.c.job_id.is_(None)))


def expire(conn: Connection) -> int:
    """Forget keys that are older than a day; returns how many."""
    return conn.execute(delete(table).where(table.c.created_at < now_epoch() - KEPT_S)).rowcount
