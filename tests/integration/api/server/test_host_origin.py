"""No web page can reach the service: the matrix of Host and Origin, over HTTP and WebSocket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.api.live import Live, live

JOBS = "/v1/transcriptions"
FRIEND = "https://app.example.org"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("guarded")
    with live(folder, migrated=migrated, allowed_hosts=["audio.lan"], allowed_origins=[FRIEND]) as one:
        yield one


@pytest.fixture(scope="module")
def port(guarded: Live) -> str:
    return guarded.base.rpartition(":")[2]


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:PORT", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("localhost.", True),
        ("[::1]:PORT", True),
        ("audio.lan:8000", True),
        ("evil.example.org:PORT", False),
        ("evil.example.org", False),
        ("localhost.evil.example.org", False),
        ("127.0.0.1.evil.example.org", False),
        ("127.0.0.2:PORT", False),
        ("0.0.0.0:PORT", False),
        ("user@localhost:PORT", True),
        ("localhost@evil.example.org", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_hosts(guarded: Live, port: str, host: str, allowed: bool) -> None:
    given = host.replace("PORT", port)
    answer = httpx.get(guarded.base + "/v1/status", headers={"host": given})
    assert answer.status_code == (200 if allowed else 403), answer.text
    if not allowed:
        assert answer.json()["error"]["code"] == "host_not_allowed"
    assert _ws_status(guarded, host=given) == (101 if allowed else 403)


def test_health_can_be_watched_under_any_name(guarded: Live) -> None:
    assert httpx.get(guarded.base + "/health", headers={"host": "gateway:5000"}).status_code == 200


def test_a_request_without_a_host_is_refused(guarded: Live, port: str) -> None:
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as raw:
        raw.sendall(b"GET /v1/status HTTP/1.0\r\n\r\n")
        assert b" 403 " in raw.recv(9000).split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://127.0.0.1:PORT"}, True),
        ({"origin": "http://localhost:PORT", "host": "localhost:PORT"}, True),
        ({"origin": "https://audio.lan", "host": "audio.lan:443"}, True),
        ({"origin": FRIEND}, True),
        ({"origin": FRIEND + ":443"}, True),
        ({"origin": "http://app.example.org"}, False),
        ({"origin": "http://localhost:PORT"}, False),
        ({"origin": "http://127.0.0.1:1"}, False),
        ({"origin": "http://127.0.0.1"}, False),
        ({"origin": "https://evil.example.org"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"origin": ""}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://127.0.0.1:PORT", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_origins(guarded: Live, port: str, headers: dict[str, str], allowed: bool) -> None:
    headers = {name: value.replace("PORT", port) for name, value in headers.items()}
    for method in ("POST", "DELETE"):
        answer = httpx.request(
            method, f"{guarded.base}{JOBS}/none" + ("/cancel" if method == "POST" else ""), headers=headers
        )
        assert answer.status_code == (404 if allowed else 403), answer.text
        if not allowed:
            assert answer.json()["error"]["code"] == "origin_not_allowed"
    assert httpx.get(guarded.base + "/health", headers=headers).status_code == 200
    if "sec-fetch-site" not in headers:
        assert _ws_status(guarded, **headers) == (101 if allowed else 403)


def test_a_simple_cross_site_form_makes_no_job(guarded: Live) -> None:
    headers = {"origin": "https://evil.example.org"}
    answer = httpx.post(guarded.base + JOBS, files={"file": ("a.wav", b"x")}, headers=headers)
    assert answer.status_code == 403
    assert httpx.get(guarded.base + JOBS).json()["data"] == []


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": FRIEND, "sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, False),
        ({"origin": "https://evil.example.org"}, False),
        ({"origin": "null"}, False),
    ],
)
def test_a_get_that_makes_something_is_not_for_other_pages(
    guarded: Live, headers: dict[str, str], allowed: bool
) -> None:
    asked = {"filename": "a.mp3", "content_type": "audio/mpeg", "file_size": "10"}
    for method in ("GET", "HEAD"):
        url = guarded.base + "/api/v1/audio/get_presigned_url"
        answer = httpx.request(method, url, params=asked, headers=headers)
        assert answer.status_code == (200 if allowed else 403), answer.text
    assert httpx.get(guarded.base + "/api/v1/job/read", headers=headers).status_code == 200


def test_only_allowed_origins_may_read(guarded: Live) -> None:
    answer = httpx.get(guarded.base + "/nowhere", headers={"origin": FRIEND})
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "Origin" in answer.headers["vary"]
    for headers in ({}, {"origin": "https://evil.example.org"}, {"origin": guarded.base}):
        assert "access-control-allow-origin" not in httpx.get(guarded.base + "/health", headers=headers).headers


def test_preflights(guarded: Live) -> None:
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,idempotency-key",
        "access-control-request-private-network": "true",
    }
    answer = httpx.options(guarded.base + JOBS, headers={**asked, "origin": FRIEND})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == FRIEND
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "content-type,idempotency-key"
    assert answer.headers["access-control-allow-private-network"] == "true"
    refused = httpx.options(guarded.base + JOBS, headers={**asked, "origin": "https://evil.example.org"})
    assert refused.status_code == 405
    assert "access-control-allow-origin" not in refused.headers


def test_every_answer_carries_safe_headers(guarded: Live) -> None:
    for path, headers in (("/health", {}), ("/nowhere", {}), ("/health", {"host": "evil.example.org"})):
        answer = httpx.get(guarded.base + path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert len(answer.headers["x-request-id"]) == 32


def _ws_status(api: Live, host: str | None = None, origin: str | None = None) -> int:
    """The status of a handshake by hand, with a Host that no client library would send; 101 is success."""
    address = api.base.removeprefix("http://")
    lines = [
        f"GET {JOBS}/x/ws HTTP/1.1",
        f"Host: {address if host is None else host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *([f"Origin: {origin}"] if origin is not None else []),
    ]
    ip, _, port = address.rpartition(":")
    with socket.create_connection((ip, int(port)), timeout=10) as raw:
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(raw.recv(9000).split(b" ")[1])
