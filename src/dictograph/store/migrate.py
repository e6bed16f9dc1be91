"""Migration of a database to the schema that this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable
from dictograph.store.backends.dialects import make_missing, migrating
from dictograph.store.compat import legacy_import, legacy_tables

_SCRIPTS = Path(__file__).parent / "migrations"


def upgrade(url: str, revision: str = "head") -> str:
    """Migrate the database at `url` to a revision, the newest by default; returns its revision then. A missing database
    is created.

    Everything runs in one transaction that takes the write lock first: of two processes that migrate at once, one does
    the work and the other finds it done. The job table of an older system is renamed, and its jobs are imported.
    Raises DatabaseUnavailable with what to do.
    """
    make_missing(url)
    with migrating(url) as connection:
        old = legacy_tables.set_aside(connection)
        check_known(_current(connection))
        command.upgrade(_config(connection), "head" if old else revision)
        if old is not None:
            legacy_import.take_over(connection, old)
        return _current(connection) or ""


def current(url: str) -> str | None:
    """Return the revision of the database at `url`; None when it was never migrated."""
    with migrating(url) as connection:
        return _current(connection)


def head() -> str:
    """Return the newest revision that this version knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def knows(revision: str) -> bool:
    """Return whether this version knows a revision, and so the migrations from there to the newest."""
    try:
        return ScriptDirectory.from_config(_config()).get_revision(revision) is not None
    except CommandError:
        return False


def check_known(revision: str | None) -> None:
    """Raise DatabaseUnavailable when only a newer version of the program can have made that revision."""
    if revision is not None and not knows(revision):
        raise DatabaseUnavailable(
            f"The database has revision {revision}, which this version does not know: "
            "the program is older than its database; install the newer version again."
        )


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
