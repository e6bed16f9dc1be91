"""The databases that the suite runs over. Another one is one more parameter."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from tests.integration.store.bench import Bench


@pytest.fixture(params=["sqlite"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that has nothing in it."""
    return {"sqlite": f"sqlite:///{tmp_path / 'db' / 'dictograph.db'}"}[request.param]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file: to copy it is quicker than to migrate for each test."""
    file = tmp_path_factory.mktemp("template") / "dictograph.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def url(empty_url: str, template: Path) -> str:
    """The URL of a migrated database."""
    if empty_url.startswith("sqlite"):
        file = Path(empty_url.removeprefix("sqlite:///"))
        file.parent.mkdir()
        shutil.copy(template, file)
    else:
        upgrade(empty_url)
    return empty_url


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    database = Database.open(url)
    yield database
    database.close_now()


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database)
