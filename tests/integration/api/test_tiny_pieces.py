"""Bytes that come in tiny pieces: what they cost is bounded, and paid by their own connection."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dictograph.api.server import lingering, serve
from tests.integration.api.live import Live, live
from tests.integration.api.raw import END, JOBS, chunk, connected, exchange, file_part, head, parsed, received
from tests.integration.api.test_hostile_connections import BINARY, PING, PONG, TEXT, framed, upgraded
from tests.keys import make_key
from tests.raw_websocket import all_of, close, dial, handshake, heard, say
from tests.service import eventually

READ = 256 * 1024  # as much as asyncio takes from the network at once
CHUNKS = b"1\r\nx\r\n" * (READ // 6)
CHUNKED = "transfer-encoding: chunked"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> Iterator[Live]:
    with live(tmp_path_factory.mktemp("one"), migrated=migrated) as api:
        yield api


def test_between_a_few_chunks_everybody_else_has_a_turn() -> None:
    """Were a read handled in one go, an application would see its body only as a whole."""

    async def run() -> list[int]:
        stop, told, pieces = asyncio.Event(), asyncio.Queue[list[str]](), list[int]()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (message := await receive())["type"] == "http.request":
                pieces.append(len(message["body"]))

        running = asyncio.create_task(serve.serve(app, ["127.0.0.1:0"], told.put_nowait, stop))
        host, _, port = (await told.get())[0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head(CHUNKED) + CHUNKS)
        answer = parsed(await reader.read())
        assert (answer.status, answer.code) == (400, "absurd_chunking")
        writer.close()
        stop.set()
        await running
        return pieces

    pieces = asyncio.run(run())
    assert max(pieces) <= 4 * 64
    assert sum(pieces) <= 2048


def test_a_body_in_chunks_of_one_byte_is_refused(one: Live) -> None:
    reply = exchange(one, head(CHUNKED) + chunk(file_part()[:-2]) + CHUNKS)
    assert (reply.status, reply.code) == (400, "absurd_chunking")
    assert reply.headers["connection"] == "close"
    eventually(lambda: one.files() == [])


def test_without_a_key_it_ends_too(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated) as api:
        make_key(api.settings.database)
        with connected(api) as raw:
            raw.sendall(head(CHUNKED).replace(b"connection: close\r\n", b""))
            until_cut_off(raw, CHUNKS)
            # Which of the two comes first depends on how much of the body was read before the key was looked for.
            assert received(raw).startswith((b"HTTP/1.1 401", b"HTTP/1.1 400"))


def until_cut_off(raw: socket.socket, piece: bytes) -> None:
    """Send until the other side is heard no more."""
    deadline = time.monotonic() + 30
    with contextlib.suppress(ConnectionError):
        while time.monotonic() < deadline:
            raw.sendall(piece)
        raise AssertionError("it is still taken")


def test_packets_of_20_ms_pass(one: Live) -> None:
    body = file_part(b"x" * 200_000) + END
    packets = b"".join(chunk(body[at : at + 20]) for at in range(0, len(body), 20))
    reply = exchange(one, head(CHUNKED) + packets + b"0\r\n\r\n")
    assert reply.status == 202, reply


def test_chunks_of_any_size_bring_what_was_sent(one: Live) -> None:
    rng = random.Random(1)
    audio = rng.randbytes(3_000_000)
    body, chunks = file_part(audio) + END, list[bytes]()
    while body:
        size = rng.choice((17, 100, 4096, 70_000, 300_000))
        chunks.append(chunk(body[:size]))
        body = body[size:]
    reply = exchange(one, head(CHUNKED), *chunks, b"0\r\n\r\n")
    assert reply.status == 202, reply
    stored = (one.settings.storage / json.loads(reply.body)["id"] / "0-audio").read_bytes()
    assert hashlib.sha256(stored).digest() == hashlib.sha256(audio).digest()


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"a:\r\n" * 60_000 + b"\r\n",
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 129 + b"\r\n",
        head(CHUNKED) + b"0\r\n" + b"a:\r\n" * 60_000 + b"\r\n",
        head(CHUNKED) + (b"1;" + b"x" * 100 + b"\r\nx\r\n") * 3000,
        head(CHUNKED) + b"%x;%b\r\n" % (10, b"x" * 200_000) + b"x" * 10 + b"\r\n0\r\n\r\n",
    ],
    ids=["headers", "headers that just fit", "trailers", "extensions of chunks", "one long extension"],
)
def test_other_tiny_pieces_are_refused(one: Live, request_: bytes) -> None:
    reply = exchange(one, request_)
    assert reply.status == 400, reply
    assert reply.code in ("invalid_request", "absurd_chunking")


def test_as_many_headers_as_anybody_sends_are_read(one: Live) -> None:
    lines = [f"x-{number}: y" for number in range(100)]
    assert exchange(one, head(*lines, target="/health", method="GET")).status == 200


def test_requests_that_come_together_are_answered_one_by_one(one: Live) -> None:
    count = 500
    with connected(one) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n" * count + head(target="/health", method="GET"))
        assert received(raw).count(b"HTTP/1.1 200") == count + 1


def test_a_request_behind_a_chunked_one_is_read(one: Live) -> None:
    form = file_part() + END
    first = head(CHUNKED).replace(b"connection: close\r\n", b"") + chunk(form) + b"0\r\n\r\n"
    with connected(one) as raw:
        raw.sendall(first + head(target="/health", method="GET"))
        answer = received(raw)
    assert answer.startswith(b"HTTP/1.1 202")
    assert answer.count(b"HTTP/1.1 200") == 1


@pytest.fixture(scope="module")
def path(one: Live) -> str:
    """The WebSocket of a job that nobody runs."""
    with one.client() as client:
        return f"{JOBS}/{client.post(JOBS, files={'file': ('a.wav', b'sound')}).json()['id']}/ws"


SMALL_FRAMES = {
    "messages without bytes": framed(BINARY),
    "messages of one byte": framed(TEXT, b"x"),
    "pings": framed(PING),
    "pongs": framed(PONG),
    "empty fragments": framed(0, fin=False),
}


@pytest.mark.parametrize("frame", SMALL_FRAMES.values(), ids=SMALL_FRAMES)
def test_frames_that_bring_next_to_nothing_end_their_connection(one: Live, path: str, frame: bytes) -> None:
    begin = framed(TEXT, b"x", fin=False) if frame[0] == 0 else b""
    with upgraded(one, path) as raw:
        raw.sendall(begin)
        until_cut_off(raw, frame * (READ // len(frame)))
        answer = received(raw)
    assert b"\x03\xf0absurd_chunking" in answer, "1008, and why"


def test_a_message_in_fragments_without_end_is_refused_however_slowly_they_come(
    one: Live, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dictograph.api.server.websocket._AT_REST_S", 0.0)
    with upgraded(one, path) as raw:
        raw.sendall(framed(TEXT, b"x", fin=False))
        until_cut_off(raw, framed(0, fin=False) * 100)
        assert b"fragments" in received(raw)


def test_what_comes_with_the_handshake_is_heard_to_its_end(one: Live) -> None:
    """More of it than a step reads, and than messages may wait."""
    count = 500
    with dial(one.base) as raw:
        raw.sendall(handshake(one.base) + say({"type": "get_status"}) * count + close())
        messages, code = heard(all_of(raw))
    assert (len(messages), code) == (count, 1000)


def test_there_is_an_end_to_listening_after_the_last_word() -> None:
    assert 0 < lingering.LINGER_S <= serve.GRACE_S
