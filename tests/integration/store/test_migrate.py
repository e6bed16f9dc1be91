"""Migrations: the tables they make, twice at once, and databases of other versions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex

from dictograph.errors import DatabaseUnavailable
from dictograph.store import migrate
from dictograph.store.backends.dialects import make_missing, migrating
from dictograph.store.database import Database
from dictograph.store.tables import metadata


def test_upgrade_goes_to_the_head_and_may_be_repeated(empty_url: str) -> None:
    make_missing(empty_url)
    assert migrate.current(empty_url) is None
    assert migrate.upgrade(empty_url) == migrate.head()
    assert migrate.current(empty_url) == migrate.head()
    assert migrate.upgrade(empty_url) == migrate.head()


def test_the_migrations_make_what_the_tables_say(database: Database) -> None:
    def differences(conn: object) -> list[object]:
        context = MigrationContext.configure(conn, opts={"compare_type": True})  # type: ignore[arg-type]
        return list(compare_metadata(context, metadata))

    assert database.read_now(differences) == []


def test_partial_indexes_are_the_same(database: Database) -> None:
    """Alembic does not compare the conditions of indexes; a database keeps them as text."""
    if database._backend.engine.name == "postgresql":
        _compare_partial_indexes_on_postgresql(database)
        return
    made: dict[str, str] = database.read_now(
        lambda c: dict(
            c.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql NOT NULL")).all()
        )
    )
    said = {
        str(index.name): str(CreateIndex(index).compile(dialect=sqlite.dialect()))
        for table in metadata.tables.values()
        for index in table.indexes
    }
    assert {name: _plain(sql) for name, sql in made.items()} == {name: _plain(sql) for name, sql in said.items()}


class _Undo(Exception):
    """Nothing of this transaction is to stay."""


def _compare_partial_indexes_on_postgresql(database: Database) -> None:
    """It keeps conditions in words of its own, so they are compared with those of tables that were never migrated."""

    def conditions(conn: Connection) -> dict[str, str]:
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '% WHERE %' AND schemaname = 'public'"
        return dict(conn.execute(text(query)).all())

    said: dict[str, str] = {}

    def without_migrations(conn: Connection) -> None:
        metadata.drop_all(conn)
        metadata.create_all(conn)
        said.update(conditions(conn))
        raise _Undo

    with pytest.raises(_Undo):
        database.write_now(without_migrations)
    assert len(said) >= 9
    assert database.read_now(conditions) == said


def _plain(sql: str) -> str:
    return " ".join(sql.replace('"', "").split()).lower()


def test_two_processes_may_migrate_at_once(empty_url: str) -> None:
    program = f"from dictograph.store.migrate import upgrade; print(upgrade({empty_url!r}))"
    command = [sys.executable, "-W", "error", "-c", program]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert outputs == [migrate.head()] * 3
    assert migrate.current(empty_url) == migrate.head()


def test_a_newer_database_is_refused(url: str, database: Database) -> None:
    database.write_now(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseUnavailable, match="9999"):
        migrate.upgrade(url)


_BROKEN = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "9999", "{newest}"
def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer()))
    op.execute("INSERT INTO half VALUES (NULL, 1)")
"""


def test_a_migration_that_fails_leaves_nothing_half_done(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate._SCRIPTS, scripts)
    newest = migrate.upgrade(empty_url)
    (scripts / "versions" / "9999_broken.py").write_text(_BROKEN.format(newest=newest))
    monkeypatch.setattr(migrate, "_SCRIPTS", scripts)
    with pytest.raises(DBAPIError, match="half"):
        migrate.upgrade(empty_url)
    assert migrate.current(empty_url) == newest
    database = Database.open(empty_url)
    try:
        assert "half" not in database.read_now(lambda conn: inspect(conn).get_table_names())
    finally:
        database.close_now()


def test_the_way_down_ends_with_nothing(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    with migrating(empty_url) as connection:
        command.downgrade(migrate._config(connection), "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    assert migrate.upgrade(empty_url) == migrate.head()


def test_a_table_that_lost_its_column_asks_for_the_migration(database: Database) -> None:
    def query(conn: Connection) -> None:
        conn.execute(text("SELECT a_column_of_the_next_version FROM transcription_job"))

    with pytest.raises(DatabaseUnavailable, match="db upgrade"):
        database.read_now(query)
