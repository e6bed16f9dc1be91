"""Migration of a database to the schema that this version needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from dictograph.errors import DatabaseUnavailable
from dictograph.store.backends.dialects import make_missing, migrating
from dictograph.store.compat import legacy_import, legacy_tables

if TYPE_CHECKING:
    from alembic.config import Config

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
        check_known(found := _current(connection))
        if found != (wanted := head() if old or revision == "head" else revision):
            _run(connection, wanted)
        if old is not None:
            legacy_import.take_over(connection, old)
        return _current(connection) or ""


def current(url: str) -> str | None:
    """Return the revision of the database at `url`; None when it was never migrated."""
    with migrating(url) as connection:
        return _current(connection)


def head() -> str:
    """Return the newest revision that this version knows."""
    return max(_revisions())


def knows(revision: str) -> bool:
    """Return whether this version knows a revision, and so the migrations from there to the newest."""
    return revision in _revisions()


def check_known(revision: str | None) -> None:
    """Raise DatabaseUnavailable when only a newer version of the program can have made that revision."""
    if revision is not None and not knows(revision):
        raise DatabaseUnavailable(
            f"The database has revision {revision}, which this version does not know: "
            "the program is older than its database; install the newer version again."
        )


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return None if found is None else str(found)


def _revisions() -> list[str]:
    """Return all revisions: the numbers that the names of their files begin with."""
    return [script.name.partition("_")[0] for script in (_SCRIPTS / "versions").glob("[0-9]*.py")]


def _run(connection: Connection, revision: str) -> None:
    from alembic import command  # a third of a second, which only a database of another revision needs

    command.upgrade(_config(connection), revision)


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
