"""An application for each test, its client, and the worker played by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dictograph.store.database import Database
from tests.integration.api.live import Hand, Live, live


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Live]:
    roots = tmp_path / "roots"
    roots.mkdir()
    with live(tmp_path, path_roots=[roots], max_upload=1_000_000) as one:
        yield one


@pytest.fixture
def client(api: Live) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def hand(api: Live) -> Iterator[Hand]:
    database = Database.open(api.settings.database)
    yield Hand(database)
    database.close_now()
