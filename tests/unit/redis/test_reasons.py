"""Errors of Redis in words for an operator."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest

from dictograph.errors import SettingsError
from dictograph.parts.redis_parts import RedisParts
from dictograph.redis import reasons
from dictograph.redis.connection import client, place_of
from dictograph.runtime.crash import CrashPoints
from dictograph.settings.loading import load
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade

redis = pytest.importorskip("redis")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (redis.AuthenticationError("WRONGPASS invalid username-password pair"), "it refuses the user or the password"),
        (redis.AuthenticationError("Authentication required."), "it wants a password"),
        (redis.ReadOnlyError("You can't write against a read only replica."), "it is a replica that takes no writes"),
        (redis.OutOfMemoryError("OOM command not allowed when used memory"), "it is out of memory"),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), "it still loads its data"),
        (redis.ResponseError("MISCONF Redis is configured to save RDB"), "it cannot write its own data to disk"),
        (redis.ConnectionError("Error 111 connecting to h:1. Connection refused."), "nothing listens there"),
        (redis.TimeoutError("Timeout reading from h:1"), "it does not answer in time"),
        (ssl.SSLError("bad record"), "TLS fails"),
        (redis.RedisError("some\nthing else."), "some thing else"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_named(error: Exception, words: str) -> None:
    assert reasons.of(error).startswith(words)


def test_the_reason_behind_another_error_is_found() -> None:
    error = RuntimeError("it did not work")
    error.__cause__ = redis.exceptions.NoPermissionError("NOPERM this user has no permissions")
    assert reasons.of(error) == "the user has no right (NOPERM this user has no permissions)"


def test_people_see_the_place_alone() -> None:
    assert place_of("redis://me:secret@host:1/2?a=b") == "host:1/2"


def test_a_client_tries_once_and_waits_for_seconds_only() -> None:
    options = client("redis://:x@h:1/2").connection_pool.connection_kwargs
    assert options["retry"].get_retries() == 0
    assert options["socket_timeout"] == options["socket_connect_timeout"] <= 5


@pytest.mark.parametrize("module", ["redis", "celery"])
def test_a_library_that_is_missing_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    settings = load({"queue_url": "redis://cache"}, {}, tmp_path).settings
    url = f"sqlite:///{tmp_path / 'one.db'}"
    upgrade(url)
    database = Database.open(url)
    with pytest.raises(SettingsError, match=rf'the library {module}, .*pip install "dictograph\[celery\]"'):
        RedisParts(settings, database, CrashPoints())
    database.close_now()
