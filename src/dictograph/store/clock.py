"""The database's clock: the only one for leases, waits and times."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Float, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class now_epoch(FunctionElement[float]):  # noqa: N801 - it reads as the SQL function that it is
    """The SQL function for seconds since 1970 by the database's clock, with fractions."""

    type = Float()
    inherit_cache = True


@compiles(now_epoch, "sqlite")
def _sqlite(element: now_epoch, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - the compiler's signature
    # SQLite before 3.42 has no unixepoch('now', 'subsec'); 2440587.5 is the Julian day of 1970-01-01.
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now_epoch, "postgresql")
def _postgresql(element: now_epoch, compiler: Any, **options: Any) -> str:  # noqa: ARG001 - as above
    # The time of the statement, not of the transaction, which may have waited for a lock. Unlike
    # clock_timestamp(), which differs at every row, it lets an index be used.
    return "extract(epoch from statement_timestamp())::double precision"


def read_clock(conn: Connection) -> float:
    """Return the time now, in seconds since 1970."""
    if conn.dialect.name == "sqlite":
        return _rounded_like_sqlite(time.time_ns())  # otherwise a third of all statements would only read the clock
    return float(conn.execute(select(now_epoch())).scalar_one())


def _rounded_like_sqlite(nanoseconds: int) -> float:
    """Return the time of this machine's clock, which SQLite uses too. It is cut to whole milliseconds and rounded like
    SQLite's `now_epoch`, so that a row that is available now is available for the next statement."""
    milliseconds = 210_866_760_000_000 + nanoseconds // 1_000_000
    return (milliseconds / 86_400_000.0 - 2440587.5) * 86400.0


def as_datetime(epoch: float) -> datetime:
    """Return the same time as an aware datetime in UTC."""
    return datetime.fromtimestamp(epoch, UTC)
