"""The server's signing secrets: each is made once, and shared by all processes on a database."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from dictograph.store.clock import as_datetime, read_clock
from dictograph.store.tables import server_secret as table

_BYTES = 32


def server_secret(conn: Connection, name: str) -> str:
    """Return the secret of this name; create it if it is missing. Must be called in a transaction that writes."""
    if (known := _known(conn, name)) is not None:
        return known
    try:
        with conn.begin_nested():
            values = {"name": name, "value": secrets.token_hex(_BYTES), "created_at": as_datetime(read_clock(conn))}
            conn.execute(insert(table).values(**values))
    except IntegrityError:
        pass  # another process has just made it
    made = _known(conn, name)
    assert made is not None
    return made


def _known(conn: Connection, name: str) -> str | None:
    value: str | None = conn.execute(select(table.c.value).where(table.c.name == name)).scalar_one_or_none()
    return value
