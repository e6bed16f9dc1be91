"""Whose words a health check is answered in."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from dictograph import __version__
from dictograph.api.app import create_app
from dictograph.contract import Contract
from dictograph.settings.model import Settings
from tests.integration.api.live import Live

OURS = {"status": "ok", "version": __version__}
THEIRS = {"status": "Audio-Gateway is healthy", "kafka": "disconnected"}


@pytest.mark.parametrize(
    ("profiles", "first", "answer"),
    [
        ([], Contract.NATIVE, OURS),
        ([], Contract.GATEWAY, THEIRS),
        ([], Contract.BACKEND, OURS),
        (["backend"], Contract.NATIVE, OURS),
        (["gateway"], Contract.NATIVE, THEIRS),
        (["gateway"], Contract.GATEWAY, THEIRS),
        (["gateway", "backend"], Contract.BACKEND, OURS),
    ],
)
def test_it_is_that_of_the_address_or_the_profile(
    shared_api: Live, profiles: list[str], first: Contract, answer: dict[str, Any]
) -> None:
    settings = Settings(data_dir=shared_api.settings.data_dir, profile=profiles)
    with TestClient(create_app(shared_api.services, settings, first)) as client:
        assert client.get("/health").json() == answer
