"""Migrations: the tables they make, twice at once, and databases of other versions."""

from __future__ import annotations

import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from dictograph.errors import DatabaseUnavailable
from dictograph.store import migrate
from dictograph.store.database import Database
from dictograph.store.tables import metadata


def test_upgrade_goes_to_the_head_and_may_be_repeated(empty_url: str) -> None:
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
    """Alembic does not compare the conditions of indexes; SQLite keeps them as text."""
    made = database.read_now(
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
