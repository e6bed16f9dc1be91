"""Settings that a process hands to its child are the same there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictograph.settings.handed import handed_settings, handing
from dictograph.settings.loading import load

VALUES = {
    "profile": "backend,gateway",
    "extra_engines": "digest=tests.engines.digest:DigestEngine",
    "listen": ["127.0.0.1:1", "gateway@127.0.0.1:2"],
    "queue_url": "redis://:p%40ss@127.0.0.1:1/2",
    "database_url": "postgresql://a:b@c/d",
    "path_roots": "/a,/b",
    "max_upload": "3GiB",
    "lease": "7s",
    "models_from": "hub,registry",
}


def test_settings_are_the_same_in_the_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(VALUES, environment={}, folder=tmp_path).settings
    for name, value in handing(settings).items():
        monkeypatch.setenv(name, value)
    assert handed_settings() == settings


def test_without_a_parent_there_are_none() -> None:
    assert handed_settings() is None
