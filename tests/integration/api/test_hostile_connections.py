"""Connections made to hurt: slow senders, many of them, WebSockets that flood, requests of odd shapes."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import websockets

from dictograph.api.server import body_rate, connection, response_middleware, serve
from tests.integration.api.live import Live, live
from tests.integration.api.raw import END, JOBS, connected, exchange, file_part, head, parsed, received
from tests.service import eventually


def test_a_sender_that_drips_is_too_slow(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never silent for long, and would hold its place for days."""
    monkeypatch.setattr(response_middleware, "LINGER_S", 0.1)
    monkeypatch.setattr(body_rate, "WINDOW_S", 0.5)
    with live(tmp_path, migrated=migrated, upload_min_rate=1000) as api, connected(api) as raw:
        raw.sendall(head("content-length: 900000") + file_part(b"x" * 50_000)[:-100])
        stop = threading.Event()
        dripping = threading.Thread(target=drip, args=(raw, stop))
        dripping.start()
        try:
            reply = parsed(received(raw))
        finally:
            stop.set()
            dripping.join()
        assert (reply.status, reply.code) == (408, "upload_too_slow")
        assert reply.headers["connection"] == "close"
        eventually(lambda: api.files() == [])


def test_a_sender_that_is_slow_but_not_too_slow_is_heard_to_the_end(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_rate, "WINDOW_S", 0.2)
    body = file_part(b"x" * 10_000) + END
    with live(tmp_path, migrated=migrated, upload_min_rate=1000) as api, connected(api) as raw:
        raw.sendall(head(f"content-length: {len(body)}"))
        for at in range(0, len(body), 1000):
            time.sleep(0.05)  # 20 kB/s at most: this is the client's pace, nothing is waited for
            raw.sendall(body[at : at + 1000])
        assert parsed(received(raw)).status == 202


def drip(raw: socket.socket, stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while not stop.wait(0.05):
            raw.sendall(b"x")


def test_200_slow_clients_stop_nobody(tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of them never end their headers, half never end their body; each is cut off in its time."""
    monkeypatch.setattr(response_middleware, "LINGER_S", 0.1)
    with (
        live(tmp_path, migrated=migrated, header_timeout=2, upload_idle_timeout=2) as api,
        ExitStack() as stack,
        api.client() as client,
    ):
        held = [stack.enter_context(connected(api)) for _ in range(200)]
        for number, raw in enumerate(held):
            raw.sendall(b"GET /health HTTP/1.1\r\nhost: " if number % 2 else head("content-length: 9999") + file_part())
        assert client.get("/health").status_code == 200
        answer = client.post(JOBS, files={"file": ("a.wav", b"sound")})
        assert answer.status_code == 202
        replies = [received(raw) for raw in held]
        assert {reply[:12] for reply in replies} == {b"", b"HTTP/1.1 408"}
        eventually(lambda: api.files() == [f"{answer.json()['id']}/0-audio"])


def test_one_client_cannot_take_all_places(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated, max_connections_per_client=5) as api, ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(connected(api, "127.0.0.2")).sendall(b"GET /health HTTP/1.1\r\nhost: ")
        with connected(api, "127.0.0.2") as one_more:
            reply = parsed(received(one_more))
        assert (reply.status, reply.code) == (503, "server_busy")
        assert reply.headers["retry-after"]
        with connected(api, "127.0.0.3") as other:
            other.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            assert parsed(received(other)).status == 200


def test_ipv6_clients_are_told_apart_by_their_network() -> None:
    class One:
        def __init__(self, host: str) -> None:
            self.client = (host, 1)

    assert connection._client(One("2001:db8::1")) == connection._client(One("2001:db8::ffff"))
    assert connection._client(One("2001:db8::1")) != connection._client(One("2001:db8:0:1::1"))
    assert connection._client(One("192.0.2.1")) != connection._client(One("192.0.2.2"))
    assert connection._client(One("fe80::1%eth0")) == connection._client(One("fe80::2"))


def test_a_websocket_lives_longer_than_a_request_may_take_for_its_headers(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated, header_timeout=0.5) as api, api.client() as client:
        job = client.post(JOBS, files={"file": ("a.wav", b"sound")}).json()["id"]

        async def follow() -> list[str]:
            async with websockets.connect(f"{api.ws_base}{JOBS}/{job}/ws") as events:
                await events.recv()
                await asyncio.sleep(1)  # this is the time that passes, nothing is waited for
                client.post(f"{JOBS}/{job}/cancel")
                return [json.loads(frame)["type"] async for frame in events]

        assert asyncio.run(follow())[-1] == "cancelled"


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[tuple[Live, str]]:
    """An application, and the path of a WebSocket for a job that nobody runs."""
    with live(tmp_path_factory.mktemp("followed"), migrated=migrated) as api, api.client() as client:
        job = client.post(JOBS, files={"file": ("a.wav", b"sound")}).json()["id"]
        yield api, f"{JOBS}/{job}/ws"


def asking(api: Live, path: str, *lines: str) -> socket.socket:
    """A connection that has asked for a WebSocket."""
    raw = connected(api)
    key = base64.b64encode(os.urandom(16)).decode()
    fixed = [f"GET {path} HTTP/1.1", "host: localhost", "connection: upgrade", "upgrade: websocket"]
    more = [f"sec-websocket-key: {key}", "sec-websocket-version: 13", *lines, "", ""]
    raw.sendall("\r\n".join([*fixed, *more]).encode("latin-1"))
    return raw


def upgraded(api: Live, path: str) -> socket.socket:
    """A connection that is a WebSocket; what has come behind the answer's head is dropped."""
    raw, answer = asking(api, path), b""
    while b"\r\n\r\n" not in answer:
        answer += raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101")
    return raw


def framed(
    opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = True, length: int | None = None
) -> bytes:
    size = len(data) if length is None else length
    first = (0x80 if fin else 0) | opcode
    mask = 0x80 if masked else 0
    head = struct.pack(">BB", first, mask | size) if size < 126 else struct.pack(">BBQ", first, mask | 127, size)
    return head + (bytes(4) if masked else b"") + data


TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
FRAMES = {
    "10 MB announced": framed(BINARY, b"x" * 5000, length=10_000_000),
    "2^63 announced": framed(TEXT, b"x", length=2**63 - 1),
    "2^64 announced": framed(TEXT, b"x", length=2**64 - 1),
    "no UTF-8": framed(TEXT, b"\xff\xfe"),
    "unmasked": framed(TEXT, b"hello", masked=False),
    "a reserved kind": framed(3, b"x"),
    "reserved bits": bytes([0x80 | 0x70 | TEXT, 0x80]) + bytes(4),
    "a ping of 200 bytes": framed(PING, b"x" * 125 + b"x" * 75),
    "a ping in pieces": framed(PING, b"x", fin=False),
    "a continuation of nothing": framed(0, b"x"),
    "many pieces": framed(TEXT, b"x" * 100, fin=False) + framed(0, b"x" * 100, fin=False) * 100,
    "a close of one byte": framed(CLOSE, b"x"),
    "a close of no code": framed(CLOSE, struct.pack(">H", 5)),
    "what is no frame": os.urandom(3) + b"\0" * 5000,
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES)
def test_frames_that_are_none_end_their_own_connection(followed: tuple[Live, str], frames: bytes) -> None:
    api, path = followed
    with upgraded(api, path) as raw:
        raw.sendall(frames)
        received(raw)  # to its end
    with api.client() as client:
        assert client.get("/health").status_code == 200


def test_frames_that_say_nothing_change_nothing(followed: tuple[Live, str]) -> None:
    api, path = followed
    with upgraded(api, path) as raw:
        for _ in range(30):
            raw.sendall((framed(TEXT, b"hello") + framed(BINARY, b"\xff") + framed(PONG)) * 20)
        raw.sendall(framed(CLOSE, struct.pack(">H", 1000)))
        assert received(raw).endswith(struct.pack(">BBH", 0x88, 2, 1000))


def test_pings_without_end_are_answered_only_to_who_reads(followed: tuple[Live, str]) -> None:
    api, path = followed
    pings = framed(PING, b"x" * 125) * 500
    with upgraded(api, path) as raw, contextlib.suppress(ConnectionError):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            raw.sendall(pings)
        raise AssertionError("it is still taken")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (["sec-websocket-protocol: x, \xff"], 400),
        (["sec-websocket-extensions: permessage-deflate; server_max_window_bits=99"], 101),
        (["sec-websocket-extensions: " + "x," * 5000], 400),
        (["origin: http://evil.example"], 403),
        (["origin: null"], 403),
        (["sec-websocket-key: again"], 400),
    ],
)  # fmt: skip
def test_odd_ways_to_ask_for_a_websocket(followed: tuple[Live, str], lines: list[str], status: int) -> None:
    api, path = followed
    with asking(api, path, *lines) as raw:
        assert raw.recv(65536).startswith(f"HTTP/1.1 {status}".encode())


ODD_HEADERS = [
    "range: bytes=0-",
    "range: bytes=9-1,-5,99999999999999999999-",
    "if-match: *",
    "if-none-match: " + "x," * 3000,
    "if-modified-since: nonsense",
    "if-range: \xff",
    "accept: */*;q=9e99",
    "accept: text/plain;q=nan, ;;;,",
    "accept: " + "text/html," * 2000,
    "accept: \xff\xfe",
    "accept-encoding: gzip;q=\u0663",
    "last-event-id: 9e99",
    "last-event-id: 99999999999999999999999",
    "last-event-id: -1",
    "last-event-id: \xb2",
    "x-forwarded-for: 127.0.0.1, \xff",
    "x-forwarded-host: evil.example",
    "x-http-method-override: DELETE",
    "content-length: 0",
    "expect: nonsense",
    "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__",
    "cookie: " + "a=b;" * 5000,
    "authorization: Basic \xff",
    "te: trailers, deflate",
]


@pytest.mark.parametrize("line", ODD_HEADERS, ids=lambda line: ascii(line[:40]))
def test_odd_headers_are_no_fault_of_ours(followed: tuple[Live, str], line: str) -> None:
    api, path = followed
    job = path.removesuffix("/ws")
    for target in ("/health", "/ready", "/v1/models", "/v1/status", JOBS, job, f"{job}/transcript", "/openapi.json"):
        request = f"GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{line}\r\n\r\n"
        reply = exchange(api, request.encode("latin-1", "replace"))
        assert reply.status in (200, 400, 406, 422), (target, reply)
    request = f"GET {job}/events HTTP/1.1\r\nhost: localhost\r\n{line}\r\n\r\n"
    with connected(api) as raw:
        raw.sendall(request.encode("latin-1", "replace"))
        assert raw.recv(4096)[9:12] in (b"200", b"400", b"204")


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        (b"GET http://localhost/health HTTP/1.1\r\nhost: localhost\r\n", {200, 404}),
        (b"GET http://evil.example/health HTTP/1.1\r\nhost: localhost\r\n", {403, 404}),
        (b"GET http://169.254.169.254/ HTTP/1.1\r\nhost: 169.254.169.254\r\n", {403}),
        (b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example:443\r\n", {403}),
        (b"CONNECT localhost:443 HTTP/1.1\r\nhost: localhost\r\n", {400, 404, 405}),
        (b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n", {400, 404, 405}),
        (b"TRACE /health HTTP/1.1\r\nhost: localhost\r\n", {405}),
        (b"BREW /health HTTP/1.1\r\nhost: localhost\r\n", {405}),
        (b"G\0T /health HTTP/1.1\r\nhost: localhost\r\n", {400}),
        (b"GET /health\xff HTTP/1.1\r\nhost: localhost\r\n", {400, 404}),
        (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: localhost\r\n", {400, 404}),
        (b"GET /v1/status HTTP/1.1\r\nhost: localhost\r\n\tfolded\r\n", {400, 403}),
        (b"GET /v1/status HTTP/1.1\r\nhost : localhost\r\n", {400}),
        (b"GET /v1/status HTTP/1.1\r\nhost: localhost, evil.example\r\n", {403}),
        (b"GET /v1/status HTTP/1.1\r\nhost: evil.example\r\n", {403}),
        (b"GET /v1/status HTTP/1.1\r\nhost: localhost@evil.example\r\n", {403}),
        (b"GET /v1/status HTTP/1.1\r\nhost: [::1\r\n", {403}),
        (b"GET /v1/status HTTP/1.1\r\nhost:\r\n", {400, 403}),
        (b"GET /health HTTP/1.1\r\n" + b"x: y\r\n" * 10_000, {400}),
        (b"GET /health HTTP/2.0\r\nhost: localhost\r\n", {400, 505, 200}),
        (b"GET /health\r\n", {400}),
        (b"PRI * HTTP/2.0\r\n", {400, 403, 404, 405}),
        (b"DELETE /v1/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n", {405}),
    ],
    ids=lambda given: repr(given[:60]) if isinstance(given, bytes) else "",
)  # fmt: skip
def test_requests_of_odd_shapes(followed: tuple[Live, str], request_: bytes, statuses: set[int]) -> None:
    api, _ = followed
    reply = exchange(api, request_ + b"connection: close\r\n\r\n")
    assert reply.status in statuses, reply
    if reply.status >= 400:
        assert reply.code


def test_events_to_who_speaks_http_of_1996(followed: tuple[Live, str]) -> None:
    api, path = followed
    with connected(api) as raw:
        raw.sendall(f"GET {path.removesuffix('/ws')}/events HTTP/1.0\r\nhost: localhost\r\n\r\n".encode())
        answer = raw.recv(4096)
        while b"event:" not in answer and (more := raw.recv(4096)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in answer.lower()


def test_there_is_a_limit_for_each_of_these() -> None:
    """What the tests above make small is there by itself."""
    assert 0 < body_rate.BodyRatePolicy().idle_timeout <= 60
    assert body_rate.BodyRatePolicy().min_rate > 0
    assert 0 < connection.ConnectionLimits().headers_timeout <= 20
    assert serve.GRACE_S <= 10
