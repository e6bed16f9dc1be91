"""Bringing a database to the form that this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from dictograph.errors import DatabaseUnavailable
from dictograph.store import sqlite

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(url: str) -> str:
    """Migrate the database at `url` to the newest revision, which is returned.

    All in one transaction that takes the write lock first: of two processes that do it at once, one
    does it and the other finds it done. Raises DatabaseUnavailable with what to do.
    """
    with _connected(url) as connection, connection.begin():
        _check_known(_current(connection))
        command.upgrade(_config(connection), "head")
        return _current(connection) or ""


def current(url: str) -> str | None:
    """The revision of the database at `url`; None when it was never migrated."""
    with _connected(url) as connection, connection.begin():
        return _current(connection)


def head() -> str:
    """The newest revision that this version knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


class _connected:  # noqa: N801 - used as a function
    """A connection of its own that writes, closed with everything behind it; outages get their name."""

    def __init__(self, url: str) -> None:
        self._engine = sqlite.make_engine(url)

    def __enter__(self) -> Connection:
        try:
            self._connection = self._engine.connect().execution_options(writes=True)
        except BaseException as error:
            self._engine.dispose()
            _raise_outage(error)
            raise
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._connection.close()
        self._engine.dispose()
        _raise_outage(error)


def _raise_outage(error: BaseException | None) -> None:
    outage = sqlite.as_outage(error) if isinstance(error, DBAPIError) else None
    if outage is not None:
        raise outage from error


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _check_known(revision: str | None) -> None:
    if revision is None:
        return
    try:
        ScriptDirectory.from_config(_config()).get_revision(revision)
    except CommandError as error:
        raise DatabaseUnavailable(
            f"The database has revision {revision}, which this version does not know; install the newer version again."
        ) from error


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
