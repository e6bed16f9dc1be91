"""The supported kinds of database, chosen by the URL. No other module depends on which one is in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable, DictographError
from dictograph.store.backends import postgres, postgres_errors, sqlite
from dictograph.store.backends.backend import Backend
from dictograph.store.backends.postgres_backend import PostgresBackend
from dictograph.store.backends.schemes import SQLITE, scheme_kind
from dictograph.store.backends.sqlite_backend import SqliteBackend
from dictograph.store.change_notifier import ChangeNotifier


def kind_of(url: str) -> str:
    """Return `sqlite` or `postgresql`. Raises DatabaseUnavailable for anything else, without repeating the URL."""
    try:
        return scheme_kind(url)
    except ValueError as error:
        raise DatabaseUnavailable(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def file_of(url: str) -> Path | None:
    """Return the database's file; None when the database is not a file."""
    return sqlite.file_of(url) if kind_of(url) == SQLITE else None


def is_there(url: str) -> bool:
    """Return whether the database's file exists. A database on a server is not checked: the answer is true."""
    file = file_of(url)
    return file is None or file.exists()


def make_missing(url: str) -> None:
    """Create the database's file if it does not exist. A database on a server is created by its operator.

    Raises:
        DatabaseUnavailable: with what to do.
    """
    if kind_of(url) == SQLITE:
        sqlite.make_missing(url)


def make_backend(url: str, pool: int, change_notifier: ChangeNotifier) -> Backend:
    """Return the backend that runs queries on the database at `url`. Nothing is opened yet."""
    if kind_of(url) == SQLITE:
        return SqliteBackend(url, change_notifier)
    return PostgresBackend(url, pool, change_notifier)


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Yield a connection for one migration, in a transaction that locks out every other migration."""
    make = sqlite.migrating if kind_of(url) == SQLITE else postgres.migrating
    with _translated_errors(), make(url) as connection:
        yield connection


def check_writable(url: str) -> None:
    """Check that this user may write to the database's file. A server is not checked: it refuses the write itself.

    Raises:
        DatabaseUnavailable, StorageFull: with what to do.
    """
    if kind_of(url) == SQLITE:
        with _translated_errors():
            sqlite.try_to_write(url)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Replace a driver's error by one that a person understands, if the database itself failed."""
    try:
        yield
    except Exception as error:
        if (outage := as_outage(error)) is not None:
            raise outage from error
        raise


def as_outage(error: BaseException) -> DictographError | None:
    """Return the meaning of a driver's error; None when the statement failed and not the database."""
    return sqlite.as_outage(error) or postgres_errors.as_outage(error)
