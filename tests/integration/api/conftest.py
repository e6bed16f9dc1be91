"""An application for each test, its client, and the worker played by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from tests.integration.api.live import FakeWorker, Live, live


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database in its newest form, to be copied: making one anew takes half a second."""
    file = tmp_path_factory.mktemp("migrated") / "dictograph.db"
    upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture
def api(tmp_path: Path, migrated: Path) -> Iterator[Live]:
    roots = tmp_path / "roots"
    roots.mkdir()
    with live(tmp_path, migrated=migrated, path_roots=[roots], max_upload=1_000_000) as one:
        yield one


@pytest.fixture
def client(api: Live) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Live]:
    """An application that all tests of a file share: for requests that leave nothing behind."""
    with live(tmp_path_factory.mktemp("shared"), migrated=migrated, max_upload=1_000_000) as one:
        yield one


@pytest.fixture(scope="module")
def shared(shared_api: Live) -> Iterator[httpx.Client]:
    with shared_api.client() as client:
        yield client


@pytest.fixture
def hand(api: Live) -> Iterator[FakeWorker]:
    database = Database.open(api.settings.database)
    yield FakeWorker(database)
    database.close_now()
