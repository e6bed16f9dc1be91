"""Idempotency keys: a client's name for a request, so that sending it twice makes one job."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from dictograph.errors import IdempotencyInProgress
from dictograph.store.clock import now_epoch
from dictograph.store.tables import idempotency_key as table

#: How long a key is remembered (s).
KEPT_S = 24 * 3600.0

#: A reservation that was not renewed for this time (s) has expired.
SILENT_S = 60.0


@dataclass(frozen=True, slots=True)
class Known:
    """The earlier use of a key: a job, and the fingerprint of the request that created it."""

    job_id: str
    fingerprint: str


def begin(conn: Connection, owner: str, key: str, process_id: str, token: str) -> Known | None:
    """Reserve a key. None: the caller holds the key and may create a job for it. The reservation lasts until the end of
    the transaction, and afterwards while it is renewed.

    `token` is unique to this reservation. Until there is a job, the row keeps the token in place of a fingerprint.

    Raises IdempotencyInProgress while another request with this key is still being received.
    """
    if renew(conn, owner, key, token):
        return None
    mine = (table.c.owner == owner, table.c.key == key)
    age = now_epoch() - table.c.created_at
    # A reservation renewed in the future was renewed before the clock was set back.
    over = or_(age > KEPT_S, and_(table.c.job_id.is_(None), func.abs(age) > SILENT_S))
    conn.execute(delete(table).where(*mine, over))
    try:
        with conn.begin_nested():
            named = {"owner": owner, "key": key, "process_id": process_id, "fingerprint": token}
            conn.execute(insert(table).values(created_at=now_epoch(), **named))
        return None
    except IntegrityError:
        row = conn.execute(select(table).where(*mine)).one_or_none()
    if row is None or row.job_id is None:
        raise IdempotencyInProgress("A request with this Idempotency-Key is still being received; try again shortly.")
    return Known(row.job_id, row.fingerprint)


def renew(conn: Connection, owner: str, key: str, token: str) -> bool:
    """Renew the reservation of a request that is still being received. False when the reservation is lost."""
    change = update(table).where(*_reserved(owner, key, token)).values(created_at=now_epoch())
    return conn.execute(change).rowcount == 1


def settle(conn: Connection, owner: str, key: str, job_id: str, fingerprint: str) -> None:
    """Bind the key to this job. Call it in the transaction that creates the job, after a `begin` that reserved the
    key."""
    change = update(table).where(table.c.owner == owner, table.c.key == key)
    conn.execute(change.values(job_id=job_id, fingerprint=fingerprint))


def abandon(conn: Connection, owner: str, key: str, token: str) -> None:
    """Free the key: the request created no job."""
    conn.execute(delete(table).where(*_reserved(owner, key, token)))


def abandon_processes(conn: Connection, process_ids: Iterable[str]) -> None:
    """Free the keys of dead processes: their requests will not be completed."""
    conn.execute(delete(table).where(table.c.process_id.in_(list(process_ids)), table.c.job_id.is_(None)))


def expire(conn: Connection) -> int:
    """Forget keys that are older than a day; returns the number."""
    return conn.execute(delete(table).where(table.c.created_at < now_epoch() - KEPT_S)).rowcount


def _reserved(owner: str, key: str, token: str) -> tuple[ColumnElement[bool], ...]:
    return (table.c.owner == owner, table.c.key == key, table.c.fingerprint == token, table.c.job_id.is_(None))
