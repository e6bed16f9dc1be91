"""How a Redis is reached: by a URL, within a bounded time, and without a retry that nobody sees."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dictograph.errors import SettingsError

#: The most seconds for a connection, and for an answer.
PATIENCE_S = 3.0

_INSTALL = 'pip install "dictograph[celery]"'


def library() -> Any:
    """Return the module `redis`. Raises SettingsError when it is not installed."""
    try:
        import redis
    except ImportError as error:
        raise SettingsError(f"Redis needs the library redis, which is not installed: {_INSTALL}.") from error
    return redis


def celery_library() -> Any:
    """Return the module `celery`. Raises SettingsError when it is not installed."""
    try:
        import celery
    except ImportError as error:
        raise SettingsError(f"The queue needs the library celery, which is not installed: {_INSTALL}.") from error
    return celery


def client(url: str, patience: float = PATIENCE_S) -> Any:
    """Return a client, `redis.Redis`, for threads that nobody waits for: a name server may take longer than `patience`.
    It connects at its first command. Raises SettingsError."""
    redis = library()
    return redis.Redis.from_url(
        url,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        socket_keepalive=True,
        retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
    )


def place_of(url: str) -> str:
    """Return host, port and database of a URL, for people: without user and password."""
    parts = urlsplit(url)
    return f"{parts.netloc.rpartition('@')[2]}{parts.path}"
