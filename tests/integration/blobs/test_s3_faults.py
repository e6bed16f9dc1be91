"""What a storage says while the server of its bucket is away, refuses, or is slow: the reason by name, in time."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dictograph.blobs.protocol import audio_name
from dictograph.blobs.s3 import client as s3_client
from dictograph.blobs.s3.address import BucketAddress
from dictograph.blobs.s3.blobs import S3Blobs
from dictograph.errors import StorageOutage, StorageUnavailable
from dictograph.job import StoredAudio
from scripts.machine import free_port
from tests.s3 import S3Server, own_server

NAME = audio_name("job", 0)
LARGE = b"x" * (20 << 20)


class Failing(BaseHTTPRequestHandler):
    """A server that answers each request with one error, as S3 words it, or a byte a second."""

    protocol_version = "HTTP/1.1"
    status, code = 503, "SlowDown"

    def _answer(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        while length > 0 and (data := self.rfile.read(min(length, 1 << 16))):
            length -= len(data)
        if self.code == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = f"<Error><Code>{self.code}</Code><Message>as the test wants it</Message></Error>".encode()
        head = f"HTTP/1.1 {self.status} Some\r\ncontent-type: application/xml\r\ncontent-length: {len(body)}\r\n\r\n"
        answer = head.encode() + (b"" if self.command == "HEAD" else body)
        if self.code != "slow":
            self.wfile.write(answer)
            return
        for byte in answer:
            self.wfile.write(bytes([byte]))
            time.sleep(1)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _answer  # noqa: N815 - the library calls these names

    def handle(self) -> None:
        with_errors = (ConnectionError, ValueError)
        try:
            super().handle()
        except with_errors:
            return

    def log_message(self, *args: object) -> None:
        return None


@contextmanager
def failing(status: int, code: str) -> Iterator[str]:
    """The address of a server that always fails so."""
    handler = type("Handler", (Failing,), {"status": status, "code": code})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def blobs_at(server: S3Server, **options: Any) -> S3Blobs:
    return S3Blobs(BucketAddress(server.new_bucket()), server.options(**options))


async def upload(blobs: S3Blobs, data: bytes) -> StoredAudio:
    writer = await blobs.create(NAME)
    try:
        for first in range(0, len(data), 1 << 20):
            await writer.write(data[first : first + (1 << 20)])
        return await writer.commit()
    except BaseException:
        await writer.abort()
        raise


async def read(blobs: S3Blobs) -> None:
    async for _ in blobs.open_range(NAME, 0, 10):
        pass


CALLS: dict[str, Callable[[S3Blobs], Coroutine[Any, Any, object]]] = {
    "small upload": lambda blobs: upload(blobs, b"some audio"),
    "large upload": lambda blobs: upload(blobs, LARGE),
    "head": lambda blobs: blobs.head(NAME),
    "read": read,
    "check": lambda blobs: blobs.check_room(),
    "notes": lambda blobs: blobs.notes(),
    "delete": lambda blobs: blobs.delete(NAME),
}

#: One by obstore alone, one by both libraries, one by boto3 alone.
SOME = ("large upload", "read", "check")


def existing_at(server: S3Server, **options: Any) -> S3Blobs:
    """The storage in a bucket that another process has made."""
    asyncio.run((there := blobs_at(server)).prepare())
    return S3Blobs(there._client.address, server.options(**options))


def refused(blobs: S3Blobs, name: str) -> str:
    """What is said of a call that must fail, within the time that is promised for it."""

    async def test() -> str:
        began = time.monotonic()
        blobs._prepared = True  # the bucket was there when the service started
        with pytest.raises(StorageUnavailable) as said:
            await CALLS[name](blobs)
        assert time.monotonic() - began < 45
        assert isinstance(said.value, StorageOutage)
        assert "127.0.0.1" not in said.value.message, "that is for the operator"
        return said.value.message

    return asyncio.run(test())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "_RETRY_S", 1.0)


@pytest.mark.parametrize("call", CALLS)
def test_a_bucket_that_is_gone(s3: S3Server, call: str) -> None:
    assert "its bucket does not exist (NoSuchBucket)" in refused(blobs_at(s3), call)


@pytest.mark.parametrize("call", SOME)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"secret_key": "wrong"}, "the secret key is not right (SignatureDoesNotMatch)"),
        ({"access_key": "nobody"}, "it does not know the access key ("),
    ],
    ids=["secret", "key"],
)
def test_a_server_that_refuses(s3: S3Server, call: str, options: dict[str, str], words: str) -> None:
    assert words in refused(existing_at(s3, **options), call)


@pytest.mark.parametrize("call", ["small upload", "large upload"])
def test_the_wrong_region(s3: S3Server, call: str) -> None:
    """boto3 finds out the right one by itself, and obstore does not: so uploads are what says it."""
    words = "the region in the settings is not the bucket's (AuthorizationHeaderMalformed)"
    assert words in refused(existing_at(s3, region="eu-west-3"), call)


@pytest.mark.parametrize("call", SOME)
@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "denies this service the right"),
        (403, "RequestTimeTooSkewed", "the clock of this machine, or of the server, is wrong"),
        (503, "SlowDown", "it asks to slow down (SlowDown)"),
        (500, "InternalError", "an error of its own"),
        (503, "reset", "it cannot be reached (Unreachable)"),
        (200, "slow", "it has not answered in time (Timeout)"),
    ],
)
def test_a_server_in_trouble(s3: S3Server, call: str, status: int, code: str, words: str) -> None:
    with failing(status, code) as endpoint:
        assert words in refused(blobs_at(s3, endpoint=endpoint, timeout=2), call)


@pytest.mark.parametrize("call", SOME)
def test_a_server_that_is_down(s3: S3Server, call: str) -> None:
    blobs = blobs_at(s3, endpoint=f"http://127.0.0.1:{free_port()}", timeout=2)
    assert "it cannot be reached (Unreachable)" in refused(blobs, call)


def test_no_credentials(s3: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    assert "there are no credentials for it" in refused(blobs_at(s3, access_key="", secret_key=""), "check")


def test_credentials_of_the_usual_chain(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    options = s3.options().s3
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", options.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", options.secret_key)
    monkeypatch.setenv("AWS_REGION", options.region)
    blobs = blobs_at(s3, access_key="", secret_key="", region="")

    async def test() -> None:
        await blobs.prepare()
        await upload(blobs, LARGE)
        assert await blobs.head(NAME) is not None

    asyncio.run(test())


def test_a_server_that_hangs_and_comes_back(tmp_path: Path) -> None:
    """Its connections stay open: nothing is answered. The event loop goes on meanwhile."""
    with own_server() as server:
        blobs = blobs_at(server, timeout=2)

        async def test() -> None:
            await blobs.prepare()
            audio = await upload(blobs, LARGE)
            server.pause()
            ticks = asyncio.create_task(_ticks())
            for call in ("head", "read", "notes"):
                with pytest.raises(StorageOutage, match=r"\(Timeout\)"):
                    await CALLS[call](blobs)
            ticks.cancel()
            assert max(await ticks) < 2, "seconds without the event loop"
            server.resume()
            async with blobs.local(audio, tmp_path) as file:
                assert file.path.stat().st_size == len(LARGE)
            server.kill()
            with pytest.raises(StorageOutage, match="Unreachable"):
                await read(blobs)
            server.start()
            await read(blobs)

        asyncio.run(test())


async def _ticks() -> list[float]:
    """How long the event loop was away, each time."""
    found = [0.0]
    try:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.05)
            found.append(time.monotonic() - began)
    except asyncio.CancelledError:
        return found


def test_bytes_that_are_not_those_that_were_stored(s3: S3Server, tmp_path: Path) -> None:
    blobs = blobs_at(s3)

    async def test() -> None:
        await blobs.prepare()
        audio = await upload(blobs, b"some audio")
        await upload(blobs, b"some other")
        with pytest.raises(StorageUnavailable, match="other bytes"):
            async with blobs.local(audio, tmp_path):
                pass

    asyncio.run(test())
    assert list(tmp_path.iterdir()) == []
