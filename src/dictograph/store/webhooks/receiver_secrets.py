"""The signing secrets of an owner's webhooks. They are stored in the clear: the signer needs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from dictograph.store.clock import as_datetime, now_epoch, read_clock
from dictograph.store.tables import webhook_secret as table
from dictograph.webhooks.signing import new_secret

#: The most secrets in force at the same time. One more rotation ends the oldest at once.
_MOST_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret in force. `retires_at`: when it stops signing; None for the current one."""

    secret: str
    created_at: datetime
    retires_at: datetime | None


def secrets_of(conn: Connection, owner: str) -> list[Secret]:
    """Return the owner's secrets in force, the current one first; empty before the first use."""
    query = select(table).where(table.c.owner == owner, _in_force())
    found = conn.execute(query.order_by(table.c.created_at.desc(), table.c.id)).all()
    rows = sorted(found, key=lambda row: row.retires_at is not None)
    return [
        Secret(row.secret, row.created_at, None if row.retires_at is None else as_datetime(row.retires_at))
        for row in rows
    ]


def ensure_secrets(conn: Connection, owner: str) -> list[Secret]:
    """Return the owner's secrets in force; create the first one, if there was none."""
    found = secrets_of(conn, owner)
    if found:
        return found
    # The same id in all processes that do this at the same time: there is one first secret.
    id = hashlib.sha256(f"first secret of {owner}".encode()).hexdigest()
    try:
        with conn.begin_nested():
            _insert(conn, id, owner)
    except IntegrityError:
        pass  # another process was quicker
    return secrets_of(conn, owner)


def rotate(conn: Connection, owner: str, overlap_s: float) -> list[Secret]:
    """Create a new secret. Earlier ones without an end sign beside it for `overlap_s` more seconds."""
    ensure_secrets(conn, owner)
    mine = table.c.owner == owner
    retires = update(table).where(mine, table.c.retires_at.is_(None)).values(retires_at=now_epoch() + overlap_s)
    conn.execute(retires)
    _insert(conn, str(uuid4()), owner)
    conn.execute(delete(table).where(mine, ~_in_force()))
    kept = select(table.c.id).where(mine).order_by(table.c.created_at.desc()).limit(_MOST_AT_ONCE)
    conn.execute(delete(table).where(mine, table.c.id.not_in(kept)))
    return secrets_of(conn, owner)


def expire(conn: Connection) -> int:
    """Remove retired secrets; returns the number."""
    return conn.execute(delete(table).where(~_in_force())).rowcount


def _insert(conn: Connection, id: str, owner: str) -> None:
    now = as_datetime(read_clock(conn))
    conn.execute(insert(table).values(id=id, owner=owner, secret=new_secret(), created_at=now))


def _in_force() -> ColumnElement[bool]:
    return or_(table.c.retires_at.is_(None), table.c.retires_at > now_epoch())
