"""Whom a service would be open to, and who is one client."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from dictograph.api.clients import client_of, is_loopback
from dictograph.api.exposure import check_exposure
from dictograph.contract import Address
from dictograph.errors import SettingsError
from dictograph.service.auth.authentication import Authentication
from dictograph.settings.model import Settings


class Known:
    """Knows whether there are keys, and nothing else."""

    def __init__(self, keys: bool) -> None:
        self.keys = keys

    async def has_keys(self) -> bool:
        return self.keys


def check(listen: str, keys: bool = False, **settings: Any) -> None:
    addresses = [Address.parse(one) for one in listen.split(",")]
    known = cast("Authentication", Known(keys))
    asyncio.run(check_exposure(addresses, known, Settings(**settings)))


@pytest.mark.parametrize(
    "listen", ["127.0.0.1:8000", "[::1]:8000,localhost:1", "gateway@127.0.0.1:5000", "127.9.9.9:1"]
)
def test_loopback_needs_no_keys(listen: str) -> None:
    check(listen)


@pytest.mark.parametrize("listen", ["0.0.0.0:8000", "[::]:8000", "127.0.0.1:1,backend@192.0.2.1:80", "audio.lan:8000"])
def test_what_others_reach_needs_a_key_or_a_word(listen: str) -> None:
    with pytest.raises(SettingsError, match="dictograph keys create"):
        check(listen)
    check(listen, keys=True)
    check(listen, insecure=True)
    check(listen, anonymous=["backend"])


def test_who_is_one_client() -> None:
    assert client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:2%eth0") == "2001:db8::"
    assert client_of("2001:db8:0:1::1") == "2001:db8:0:1::"
    loopback = ["127.0.0.1", "127.1.2.3", "::1", "localhost"]
    assert not any(map(is_loopback, ["0.0.0.0", "10.0.0.1", "::", "", "127.0.0.1.example.org", "localhost.evil"]))
    assert all(map(is_loopback, loopback))
