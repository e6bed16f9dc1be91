"""One clock for all: what is read and what statements compare with."""

from __future__ import annotations

from sqlalchemy import Connection, select

from dictograph.store.clock import now_epoch, read_clock
from dictograph.store.database import Database


def test_the_clock_that_is_read_is_the_one_of_statements(database: Database) -> None:
    """What is available now must be so for the next statement, and not a millisecond later."""

    def query(conn: Connection) -> list[tuple[float, float, float]]:
        return [
            (
                conn.execute(select(now_epoch())).scalar_one(),
                read_clock(conn),
                conn.execute(select(now_epoch())).scalar_one(),
            )
            for _ in range(200)
        ]

    for before, now, after in database.read_now(query):
        assert before <= now <= after
        assert after - before < 5
