"""What SQLite's errors mean for a person."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.store.backends.sqlite import as_outage


def _error(name: str, message: str = "as the driver says") -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(message)
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("SQLITE_FULL", StorageFull, "free some space"),
        ("SQLITE_IOERR_SHMSIZE", StorageFull, "free some space"),
        ("SQLITE_BUSY", DatabaseUnavailable, "another process"),
        ("SQLITE_BUSY_SNAPSHOT", DatabaseUnavailable, "another process"),
        ("SQLITE_IOERR_WRITE", DatabaseUnavailable, "check the disk"),
        ("SQLITE_READONLY_DIRECTORY", DatabaseUnavailable, "rights"),
        ("SQLITE_CORRUPT", DatabaseUnavailable, "backup"),
        ("SQLITE_NOTADB", DatabaseUnavailable, "DICTOGRAPH_DATABASE_URL"),
        ("SQLITE_CANTOPEN", DatabaseUnavailable, "folder exists"),
    ],
)
def test_outages_are_named_with_what_to_do(name: str, kind: type[Exception], what: str) -> None:
    for error in (_error(name), OperationalError("SELECT 1", {}, _error(name))):
        outage = as_outage(error)
        assert isinstance(outage, kind)
        assert what in str(outage)


def test_a_table_that_is_missing_asks_for_the_migration() -> None:
    assert "dictograph db upgrade" in str(as_outage(_error("SQLITE_ERROR", "no such table: events")))


@pytest.mark.parametrize("error", [_error("SQLITE_ERROR"), _error("SQLITE_CONSTRAINT_UNIQUE"), ValueError("x")])
def test_mistakes_are_no_outage(error: Exception) -> None:
    assert as_outage(error) is None
