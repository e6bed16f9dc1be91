"""The databases that the suite runs over. Another one is one more parameter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from tests.integration.store.store_driver import StoreDriver, emptied
from tests.postgres import Cluster


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database it is."""
    return str(request.param)


@pytest.fixture
def empty_url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that has nothing in it."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'db' / 'dictograph.db'}"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.new_database()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file: to copy it is quicker than to migrate for each test."""
    file = tmp_path_factory.mktemp("template") / "dictograph.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def postgres_url(postgres: Cluster) -> str:
    """A migrated database on PostgreSQL, for one test after the other: to empty it is quicker than to make one."""
    url = postgres.new_database()
    upgrade(url)
    return url


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database without a job."""
    if kind == "postgresql":
        return emptied(request.getfixturevalue("postgres_url"))
    file = tmp_path / "db" / "dictograph.db"
    file.parent.mkdir()
    shutil.copy(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close_now()


@pytest.fixture
def driver(database: Database) -> StoreDriver:
    return StoreDriver(database)
