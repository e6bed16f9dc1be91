"""The URL of the queue: what it may be, what is made of it, and what no message shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictograph.errors import SettingsError
from dictograph.queue.redis_url import redis_server
from dictograph.settings.loading import load
from dictograph.settings.model import Settings


def settings(url: str) -> Settings:
    return load({}, {"DICTOGRAPH_QUEUE_URL": url}, Path("/nowhere")).settings


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("redis://cache", "redis://cache:6379/0"),
        (" REDIS://cache:7000/3/ ", "redis://cache:7000/3"),
        ("redis://:secret@cache", "redis://:secret@cache:6379/0"),
        ("redis://me:p%40ss@[::1]:1/12", "redis://me:p%40ss@[::1]:1/12"),
        ("redis://10.0.0.1:6379/0", "redis://10.0.0.1:6379/0"),
        ("rediss://cache", "rediss://cache:6379/0?ssl_cert_reqs=required"),
        ("rediss://cache?ssl_cert_reqs=CERT_NONE", "rediss://cache:6379/0?ssl_cert_reqs=none"),
        (
            "rediss://cache/1?ssl_ca_certs=%2Fetc%2Fca.pem",
            "rediss://cache:6379/1?ssl_cert_reqs=required&ssl_ca_certs=/etc/ca.pem",
        ),
    ],
)
def test_a_redis_is_written_out_in_full(given: str, whole: str) -> None:
    assert settings(given).redis_url == whole == redis_server(whole)


@pytest.mark.parametrize("url", ["database:", "kafka://a:1"])
def test_other_queues_have_no_redis(url: str) -> None:
    assert settings(url).redis_url == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis://", "give the server as `redis://"),
        ("redis:cache", "give the server as `redis://"),
        ("redis://a b", "give the server as"),
        ("redis://cache:port", "give the server as"),
        ("redis://cache:70000", "give the server as"),
        ("redis://:hun/ter2@cache", "give the server as"),
        ("redis://:hunter2#@cache", "give the server as"),
        ("redis://hunter2@cache", "a password alone has a colon before it"),
        ("redis://:hunter2@cache/jobs", "give the database of Redis as a number"),
        ("redis://cache/-1", "give the database of Redis as a number"),
        ("redis://:hunter2@cache?ssl_cert_reqs=none", "which is `rediss://`"),
        ("rediss://cache?ssl_cert_reqs=maybe", "`ssl_cert_reqs` is one of required, optional, none"),
        ("rediss://cache?password=hunter2", "`password` is no setting of TLS"),
        ("amqp://:hunter2@cache", "there is no queue of the kind `amqp:`"),
    ],
)
def test_what_cannot_be_is_named_without_the_password(url: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(url)
    assert words in caught.value.message
    assert "hunter2" not in caught.value.message
    assert "hun/ter2" not in caught.value.message
