"""The kinds of database there are, by the URL. Nothing else asks which one is in use."""

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
    """`sqlite` or `postgresql`. Raises DatabaseUnavailable for anything else, without repeating the URL."""
    try:
        return scheme_kind(url)
    except ValueError as error:
        raise DatabaseUnavailable(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


def file_of(url: str) -> Path | None:
    """The database's file, where it is one."""
    return sqlite.file_of(url) if kind_of(url) == SQLITE else None


def is_there(url: str) -> bool:
    """Whether the database's file is there, where it is one; a server's database is not looked for."""
    file = file_of(url)
    return file is None or file.exists()


def make_missing(url: str) -> None:
    """Make the file of a database that is one and is not there yet. A server's database is made by its operator.

    Raises:
        DatabaseUnavailable: with what to do.
    """
    if kind_of(url) == SQLITE:
        sqlite.make_missing(url)


def make_backend(url: str, pool: int, change_notifier: ChangeNotifier) -> Backend:
    """What runs questions on the database at `url`. Nothing is opened yet."""
    if kind_of(url) == SQLITE:
        return SqliteBackend(url, change_notifier)
    return PostgresBackend(url, pool, change_notifier)


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """A connection for one migration, in a transaction that keeps every other migration out."""
    make = sqlite.migrating if kind_of(url) == SQLITE else postgres.migrating
    with _in_words(), make(url) as connection:
        yield connection


def check_writable(url: str) -> None:
    """See whether this user may write to a database that is a file; a server says so when it is written to.

    Raises:
        DatabaseUnavailable, StorageFull: with what to do.
    """
    if kind_of(url) == SQLITE:
        with _in_words():
            sqlite.try_to_write(url)


@contextmanager
def _in_words() -> Iterator[None]:
    """What a driver raises becomes what it means for a person, if it is the database that failed."""
    try:
        yield
    except Exception as error:
        if (outage := as_outage(error)) is not None:
            raise outage from error
        raise


def as_outage(error: BaseException) -> DictographError | None:
    """What an error of a driver means, if it is the database that failed and not the statement."""
    return sqlite.as_outage(error) or postgres_errors.as_outage(error)
