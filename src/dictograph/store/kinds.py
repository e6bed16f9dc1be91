"""The kinds of database there are, by the URL. Nothing else asks which one is in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable, DictographError
from dictograph.store import postgres, postgres_errors, sqlite
from dictograph.store.backend import Backend
from dictograph.store.bells import Bells
from dictograph.store.on_postgres import PostgresBackend
from dictograph.store.on_sqlite import SqliteBackend

_SQLITE, _POSTGRES = "sqlite", "postgresql"


def kind_of(url: str) -> str:
    """`sqlite` or `postgresql`. Raises DatabaseUnavailable for anything else, without repeating the URL."""
    scheme = url.partition(":")[0].partition("+")[0].lower()
    if scheme == _SQLITE:
        return _SQLITE
    if scheme in ("postgresql", "postgres"):
        return _POSTGRES
    known = "give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    if "://" not in url:
        raise DatabaseUnavailable(f"This is no database URL; {known}.")
    raise DatabaseUnavailable(f"{scheme!r} is no known kind of database; {known}.")


def file_of(url: str) -> Path | None:
    """The database's file, where it is one."""
    return sqlite.file_of(url) if kind_of(url) == _SQLITE else None


def make_backend(url: str, pool: int, bells: Bells) -> Backend:
    """What runs questions on the database at `url`. Nothing is opened yet."""
    if kind_of(url) == _SQLITE:
        return SqliteBackend(url, bells)
    return PostgresBackend(url, pool, bells)


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """A connection for one migration, in a transaction that keeps every other migration out."""
    make = sqlite.migrating if kind_of(url) == _SQLITE else postgres.migrating
    with _in_words(), make(url) as connection:
        yield connection


def check_writable(url: str) -> None:
    """See whether this user may write to a database that is a file; a server says so when it is written to.

    Raises:
        DatabaseUnavailable, StorageFull: with what to do.
    """
    if kind_of(url) == _SQLITE:
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
