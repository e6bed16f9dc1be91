"""The places of stored files that belong to this database, and how often each was swept. Each place has a marker
with the same facts."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, case, or_, select, update

from dictograph.store.clock import now_epoch
from dictograph.store.tables import storage_mark as table

#: The stored audio, and the uploads of the path contract.
STORAGE, PATH_UPLOADS = "storage", "path_uploads"


@dataclass(frozen=True, slots=True)
class Mark:
    """The identity of this database at a place, and the number of sweeps that it knows of."""

    identity: str
    counter: int


def mark_of(conn: Connection, place: str) -> Mark:
    """Return this database's mark for a place."""
    row = conn.execute(select(table.c.identity, table.c.counter).where(table.c.place == place)).one()
    return Mark(row.identity, row.counter)


def begin_sweep(conn: Connection, place: str, interval_s: float) -> Mark | None:
    """Count a sweep, if the last one began at least `interval_s` seconds ago. None: no sweep is due, another worker may
    be sweeping.

    A last sweep in the future does not delay the next one: the clock was set back.
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
    """Make the sweep of this number due again: it was interrupted."""
    conn.execute(update(table).where(table.c.place == place, table.c.counter == counter).values(swept_at=0.0))


def raise_above(conn: Connection, place: str, counter: int) -> Mark:
    """Raise the counter by one, at least to `counter + 1`."""
    higher = case((table.c.counter > counter, table.c.counter), else_=counter) + 1
    changed = update(table).where(table.c.place == place).values(counter=higher)
    row = conn.execute(changed.returning(table.c.identity, table.c.counter)).one()
    return Mark(row.identity, row.counter)
