"""The database's clock, the only one that leases, waits and times are told by."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Float, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now_epoch(FunctionElement[float]):  # noqa: N801 - it reads as the SQL function that it is
    """Seconds since 1970 by the database's clock, fractions included."""

    type = Float()
    inherit_cache = True


@compiles(now_epoch, "sqlite")
def _sqlite(element: now_epoch, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - the compiler's signature
    # SQLite before 3.42 has no unixepoch('now', 'subsec'); 2440587.5 is the Julian day of 1970-01-01.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_epoch, "postgresql")
def _postgresql(element: now_epoch, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - as above
    # Of the statement, not of the transaction, which may have waited for a lock; and unlike
    # clock_timestamp(), which is another at every row, it lets an index be used.
    return "extract(epoch from statement_timestamp())::double precision"


def read_clock(conn: Connection) -> float:
    """The time now, in seconds since 1970."""
    if conn.dialect.name == "sqlite":
        return _as_sqlite_has_it(time.time_ns())  # a third of all statements would only ask for this
    return float(conn.execute(select(now_epoch())).scalar_one())


def _as_sqlite_has_it(nanoseconds: int) -> float:
    """The time of this machine's clock, which SQLite goes by too: cut to whole milliseconds and rounded as
    `now_epoch` is there, so that what is available now is so for the next statement."""
    milliseconds = 210_866_760_000_000 + nanoseconds // 1_000_000
    return (milliseconds / 86_400_000.0 - 2440587.5) * 86400.0


def as_datetime(epoch: float) -> datetime:
    """The same time as an aware datetime in UTC."""
    return datetime.fromtimestamp(epoch, UTC)
