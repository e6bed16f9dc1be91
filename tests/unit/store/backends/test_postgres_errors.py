"""What PostgreSQL's errors mean for a person, those among them that are hard to bring about."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import OperationalError

from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.store.backends.postgres_errors import as_outage


@pytest.mark.parametrize(
    ("error", "kind", "what"),
    [
        (errors.DiskFull("could not extend file: No space left on device"), StorageFull, "free some space"),
        (errors.IoError("could not write: No space left on device"), StorageFull, "free some space"),
        (errors.IoError("could not read block 7"), DatabaseUnavailable, "disk or memory"),
        (errors.TooManyConnections("sorry, too many clients already"), DatabaseUnavailable, "max_connections"),
        (errors.AdminShutdown("terminating connection"), DatabaseUnavailable, "stopping"),
        (errors.CrashShutdown("terminating connection"), DatabaseUnavailable, "recovers"),
        (errors.CannotConnectNow("the database system is starting up"), DatabaseUnavailable, "starting"),
        (errors.InsufficientPrivilege("permission denied for table worker"), DatabaseUnavailable, "OWNER TO"),
        (errors.DataCorrupted("invalid page in block 0"), DatabaseUnavailable, "backup"),
        (errors.IndexCorrupted("unexpected zero page"), DatabaseUnavailable, "REINDEX"),
        (errors.ReadOnlySqlTransaction("cannot execute INSERT"), DatabaseUnavailable, "primary"),
        (errors.FeatureNotSupported("cannot set read-write mode during recovery"), DatabaseUnavailable, "primary"),
        (errors.DeadlockDetected("deadlock detected"), DatabaseUnavailable, "try again"),
        (errors.OutOfMemory("out of memory"), DatabaseUnavailable, "memory"),
        (errors.UndefinedTable('relation "events" does not exist'), DatabaseUnavailable, "db upgrade"),
        (psycopg.OperationalError("FATAL: remaining connection slots are reserved"), DatabaseUnavailable, "free"),
        (psycopg.OperationalError("server closed the connection unexpectedly"), DatabaseUnavailable, "lost"),
        (psycopg.OperationalError("connection timeout expired"), DatabaseUnavailable, "firewall"),
    ],
)
def test_outages_are_named_with_what_to_do(error: psycopg.Error, kind: type[Exception], what: str) -> None:
    for raised in (error, OperationalError("SELECT 1", {}, error)):
        outage = as_outage(raised)
        assert isinstance(outage, kind)
        assert what in str(outage)


@pytest.mark.parametrize("error", [errors.UniqueViolation("x"), errors.SyntaxError("x"), ValueError("x")])
def test_mistakes_are_no_outage(error: Exception) -> None:
    assert as_outage(error) is None
