"""The database's clock in each dialect's words, and times as they are stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from dictograph.store.clock import now_epoch
from dictograph.store.tables import UtcDateTime


def test_every_dialect_has_its_words() -> None:
    assert "julianday('now')" in str(select(now_epoch()).compile(dialect=sqlite.dialect()))
    assert "statement_timestamp()" in str(select(now_epoch()).compile(dialect=postgresql.dialect()))


def test_times_come_back_aware_and_in_utc() -> None:
    berlin = datetime(2026, 7, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        stored = UtcDateTime().process_bind_param(berlin, dialect)
        assert stored is not None
        assert UtcDateTime().process_result_value(stored, dialect) == datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert UtcDateTime().process_bind_param(None, sqlite.dialect()) is None
