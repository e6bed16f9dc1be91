"""What is SQLite's own: shared commits, a full disk, locks, what cannot be opened."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.job import JobStatus
from dictograph.store.backends.sqlite_writer import Writer
from dictograph.store.database import Database
from dictograph.store.jobs import read
from dictograph.store.migrate import upgrade
from tests.integration.store.store_driver import StoreDriver
from tests.integration.store.test_database import ask_for_job, hold_writer


@pytest.fixture
def kind() -> str:
    return "sqlite"


def test_waiting_writes_share_one_commit(driver: StoreDriver, database: Database) -> None:
    commits: list[None] = []
    event.listen(database._backend.engine, "commit", lambda conn: commits.append(None))
    go = hold_writer(database)
    made = [ask_for_job(database, n) for n in range(20)]
    go.set()
    assert [future.result(20).id for future in made] == [f"shared-{n}" for n in range(20)]
    assert len(commits) == 2, "the one that held the writer, and one for all the rest"


def test_a_full_disk_is_named_and_passes(driver: StoreDriver, database: Database) -> None:
    def fill(conn: Connection) -> None:
        conn.exec_driver_sql("PRAGMA max_page_count=1")
        conn.exec_driver_sql("CREATE TABLE filling AS SELECT zeroblob(10000000) AS b")

    go = hold_writer(database)
    neighbour = ask_for_job(database, 1)
    full = database._backend.write(fill)
    go.set()
    assert isinstance(full.exception(20), StorageFull)
    assert isinstance(neighbour.exception(20), StorageFull), "SQLite has undone the transaction they shared"
    driver.create("after")
    assert driver.read(read.counts)[JobStatus.PENDING] == 1


def test_a_lock_held_by_another_is_named(driver: StoreDriver, database: Database, url: str) -> None:
    other = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        database._backend.changed().result(20)
        writer: Writer = database._backend._writer  # type: ignore[attr-defined]
        impatient = writer._connection().connection.driver_connection
        assert impatient is not None
        impatient.execute("PRAGMA busy_timeout=50")
        with pytest.raises(DatabaseUnavailable, match="lock"):
            driver.create()
    finally:
        other.close()
    driver.create()


def test_durability_is_as_promised(database: Database) -> None:
    def pragmas(conn: Connection) -> list[Any]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [conn.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]

    assert database.write_now(pragmas) == ["wal", 2, 1, 15000]
    assert database.read_now(pragmas) == ["wal", 2, 1, 15000]


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("sqlite:///{folder}/text.db", "not a SQLite database"),
        ("sqlite:///{folder}", "cannot be opened"),
        ("sqlite:///{folder}/text.db/x.db", "not there"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite://", "in memory"),
        ("mysql://host/name", "of the kind `mysql:`"),
        ("nonsense", "not a database URL"),
    ],
)
def test_what_cannot_be_opened_says_what_to_do(tmp_path: Path, url: str, what: str) -> None:
    (tmp_path / "text.db").write_text("This is not a database. " * 100)
    with pytest.raises(DatabaseUnavailable, match=what):
        Database.open(url.format(folder=tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseUnavailable, match="cannot be made"):
        upgrade(f"sqlite:///{tmp_path / 'x.db'}")


def test_an_old_sqlite_is_refused_before_anything_is_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(DatabaseUnavailable, match="too old"):
        Database.open(f"sqlite:///{tmp_path / 'folder' / 'x.db'}")
    assert not (tmp_path / "folder").exists()
