"""Servers that answer a download with whatever might hurt: it ends with an error of its own, soon, in little memory."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc

import pytest

from dictograph.errors import DictographError, FetchError, FetchFailed, FetchTimeout, SourceTooLarge
from tests.integration.audio.site import Answer, Resolver, always, download, says, site

OK = b"HTTP/1.1 200 OK\r\n"


def outcome(answer: Answer, *, timeout: float = 20, max_bytes: int = 10**6) -> bytes | DictographError:
    """The bytes that come from a site that answers so, or the error."""

    async def run() -> bytes | DictographError:
        async with site(answer) as server:
            allow = f"public.example:{server.port}"
            try:
                return (
                    await download(
                        f"http://{allow}/", allow, timeout=timeout, max_bytes=max_bytes, resolve=Resolver(["127.0.0.1"])
                    )
                )[1]
            except DictographError as error:
                return error

    return asyncio.run(run())


def endlessly(start: bytes, again: bytes) -> Answer:
    async def write(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            writer.write(again)
            await writer.drain()
            await asyncio.sleep(0)

    return write


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", FetchFailed),
        (b"\0" * 100_000, FetchFailed),
        (b"HTTP/x.y 200 OK\r\n\r\n", FetchFailed),
        (b"HTTP/1.1 20 OK\r\n\r\n", FetchFailed),
        (b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", FetchFailed),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", FetchFailed),
        (OK + b"Content-Length: -1\r\n\r\n", FetchFailed),
        (OK + b"Content-Length: 0x10\r\n\r\n", FetchFailed),
        (OK + b"Content-Length: \xb2\r\n\r\n", FetchFailed),
        (OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", FetchError),
        (OK + b"Content-Length: 99999999999999999999\r\n\r\n", FetchError),
        (OK + b"Content-Length: 10\r\n\r\nshort", FetchFailed),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", FetchFailed),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nshort", FetchFailed),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nshort\r\n0\r\n\r\n", FetchFailed),
        (OK + b"X: " + b"x" * 300_000 + b"\r\n\r\n", FetchFailed),
        (OK + b"X\0: y\r\n\r\n", FetchFailed),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", FetchError),
        (b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx", FetchError),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", FetchError),
        (b"HTTP/1.1 300 Multiple Choices\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", FetchError),
        (says("200 OK", "Content-Encoding: gzip", body=gzip.compress(bytes(1000))), FetchError),
        (says("200 OK", "Content-Encoding: deflate, br", body=b"x"), FetchError),
    ],
    ids=lambda given: repr(given[:60]) if isinstance(given, bytes) else "",
)  # fmt: skip
def test_an_answer_that_is_none(answer: bytes, kind: type[DictographError]) -> None:
    error = outcome(always(answer))
    assert isinstance(error, kind), error
    assert error.code in ("fetch_failed", "source_too_large")


def test_more_than_was_announced_is_not_taken() -> None:
    assert outcome(always(says("200 OK", body=b"sound and more", length=5))) == b"sound"


def test_interim_answers_without_end_are_left_when_the_time_is_up() -> None:
    error = outcome(endlessly(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"), timeout=0.5)
    assert type(error) is FetchTimeout


@pytest.mark.parametrize(
    "answer",
    [
        endlessly(OK, b"X-Header: " + b"x" * 1000 + b"\r\n"),
        endlessly(OK + b"X: ", b"x" * 10_000),
        endlessly(OK + b"Transfer-Encoding: chunked\r\n\r\n1;x=", b"x" * 10_000),
        endlessly(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: " + b"x" * 1000 + b"\r\n"),
        endlessly(OK + b"\r\n", b"x" * 100_000),
    ],
    ids=["headers", "a header", "a chunk's extension", "trailers", "a body without a length"],
)
def test_what_has_no_end_is_cut_off_in_little_memory(answer: Answer) -> None:
    tracemalloc.start()
    try:
        error = outcome(answer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(error, (FetchFailed, SourceTooLarge)), error
    assert peak < 20e6
