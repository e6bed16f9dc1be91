"""Whose the places of stored files are, and how often they were swept. The marker in each says the same."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, or_, select, update

from dictograph.store.clock import now_epoch
from dictograph.store.tables import storage_mark as table

#: The stored audio, and the uploads of the path contract.
STORAGE, PATH_UPLOADS = "storage", "path_uploads"


@dataclass(frozen=True, slots=True)
class Mark:
    """The identity of this database at a place, and of how many sweeps it knows."""

    identity: str
    counter: int


def mark_of(conn: Connection, place: str) -> Mark:
    """Return what this database says of a place."""
    row = conn.execute(select(table.c.identity, table.c.counter).where(table.c.place == place)).one()
    return Mark(row.identity, row.counter)


def begin_sweep(conn: Connection, place: str, interval_s: float) -> Mark | None:
    """Count a sweep, if the last one began so long ago; None when it is not due: another worker may be at it.

    A sweep that seems to be still to come is no reason to wait for it: the clock was set back.
    """
    due = or_(table.c.swept_at <= now_epoch() - interval_s, table.c.swept_at > now_epoch())
    counted = (
        update(table)
        .where(table.c.place == place, due)
        .values(counter=table.c.counter + 1, swept_at=now_epoch())
        .returning(table.c.identity, table.c.counter)
    )
    row = conn.execute(counted).one_or_none()
    return None if row is None else Mark(row.identity, row.counter)


def sweep_again(conn: Connection, place: str, counter: int) -> None:
    """Have the sweep of this number made again soon: it was broken off."""
    conn.execute(update(table).where(table.c.place == place, table.c.counter == counter).values(swept_at=0.0))


def raise_above(conn: Connection, place: str, counter: int) -> Mark:
    """Count on, at least to the number after this one."""
    higher = case((table.c.counter > counter, table.c.counter), else_=counter) + 1
    changed = update(table).where(table.c.place == place).values(counter=higher)
    row = conn.execute(changed.returning(table.c.identity, table.c.counter)).one()
    return Mark(row.identity, row.counter)
