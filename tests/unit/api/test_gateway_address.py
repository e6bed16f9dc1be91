"""Where clients are sent for the WebSocket, and for whose pages it is."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from dictograph.api.gateway import is_for_pages
from dictograph.api.gateway.address import websocket_url
from dictograph.settings.model import Settings

PROFILE = "gateway@127.0.0.1:5000,gateway@127.0.0.1:8765"


def asked(host: str, port: int) -> Request:
    return Request(
        {
            "type": "http", "method": "GET", "path": "/status/x", "scheme": "http", "query_string": b"",
            "headers": [(b"host", host.encode())], "server": ("127.0.0.1", port),
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("listen", "host", "port", "url"),
    [
        (PROFILE, "127.0.0.1:5000", 5000, "ws://127.0.0.1:8765"),
        (PROFILE, "localhost:5000", 5000, "ws://localhost:8765"),
        (PROFILE, "127.0.0.1:8765", 8765, "ws://127.0.0.1:8765"),
        (PROFILE + ",127.0.0.1:8000", "localhost:8000", 8000, "ws://localhost:8000"),
        ("gateway@0.0.0.0:5000,gateway@0.0.0.0:8765", "gateway.example:5000", 5000, "ws://gateway.example:8765"),
        ("gateway@127.0.0.1:5000,gateway@10.0.0.7:8765", "localhost:5000", 5000, "ws://10.0.0.7:8765"),
        ("gateway@[::]:5000,gateway@[::]:8765", "[::1]:5000", 5000, "ws://[::1]:8765"),
        ("gateway@127.0.0.1:5000", "127.0.0.1:5000", 5000, "ws://127.0.0.1:5000"),
        ("gateway@127.0.0.1:0,gateway@127.0.0.1:0", "127.0.0.1:40123", 40123, "ws://127.0.0.1:40123"),
        ("127.0.0.1:8000", "127.0.0.1:8000", 8000, "ws://127.0.0.1:8000"),
    ],
)
def test_the_socket_has_an_address(listen: str, host: str, port: int, url: str) -> None:
    assert websocket_url(asked(host, port), Settings.model_validate({"listen": listen})) == url


@pytest.mark.parametrize(
    ("settings", "pages"),
    [
        ({}, False),
        ({"listen": "path@127.0.0.1:4000"}, False),
        ({"anonymous": "backend"}, False),
        ({"anonymous": "gateway-read"}, True),
        ({"listen": "gateway@127.0.0.1:5000"}, True),
        ({"listen": "gateway@127.0.0.1:5000", "anonymous": "none"}, False),
    ],
)
def test_pages_may_listen_where_that_was_asked_for(settings: dict[str, str], pages: bool) -> None:
    assert is_for_pages(Settings.model_validate(settings)) is pages
