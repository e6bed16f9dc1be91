"""Stray files (no row names them), and when each was first seen. So short-lived workers remove them too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from dictograph.store.clock import read_clock
from dictograph.store.tables import storage_mark, stray
from dictograph.store.text_type import clean

#: The most strays that are remembered of a place, some 10 MB. The rest waits until those are gone.
MOST = 50_000


def sight(conn: Connection, place: str, names: Iterable[str], wait_s: float) -> list[str]:
    """Remember these files as strays, and return those that have been known as strays for `wait_s` seconds.

    A time in the future was written before the clock was set back; its wait begins again.
    """
    _lock(conn, place)
    asked = [name for name in names if clean(name) == name]  # a name that the database cannot store is not ours
    now = read_clock(conn)
    known = _known(conn, place, asked)
    _begin(conn, place, [name for name in asked if name not in known], now)
    _begin_anew(conn, place, [name for name in asked if known.get(name, now) > now], now)
    return [name for name in asked if name in known and 0 <= now - known[name] >= wait_s]


def forget(conn: Connection, place: str, names: Sequence[str]) -> None:
    """Forget files that were removed."""
    conn.execute(delete(stray).where(stray.c.place == place, stray.c.name.in_(names)))


def forget_all(conn: Connection, place: str) -> None:
    """Forget all strays of a place: the wait of each file begins again."""
    conn.execute(delete(stray).where(stray.c.place == place))


def expire(conn: Connection, place: str, older_than_s: float) -> None:
    """Forget strays first seen more than `older_than_s` seconds ago: they are removed, named, or begin again."""
    conn.execute(delete(stray).where(stray.c.place == place, stray.c.seen_at < read_clock(conn) - older_than_s))


def _lock(conn: Connection, place: str) -> None:
    """Let only one worker at a time remember strays of a place."""
    conn.execute(select(storage_mark.c.counter).where(storage_mark.c.place == place).with_for_update())


def _known(conn: Connection, place: str, names: Sequence[str]) -> dict[str, float]:
    found = select(stray.c.name, stray.c.seen_at).where(stray.c.place == place, stray.c.name.in_(names))
    return {row.name: row.seen_at for row in conn.execute(found)}


def _begin(conn: Connection, place: str, names: Sequence[str], now: float) -> None:
    if not names:
        return
    count = conn.execute(select(func.count()).select_from(stray).where(stray.c.place == place)).scalar_one()
    if new := names[: max(0, MOST - int(count))]:
        conn.execute(insert(stray), [{"place": place, "name": name, "seen_at": now} for name in new])


def _begin_anew(conn: Connection, place: str, names: Sequence[str], now: float) -> None:
    if names:
        conn.execute(update(stray).where(stray.c.place == place, stray.c.name.in_(names)).values(seen_at=now))
