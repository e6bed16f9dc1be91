"""Downloads from real servers on loopback, which the allow-list names where they may be called."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, NoReturn

import pytest

from dictograph.errors import (
    AddressNotAllowed,
    DictographError,
    FetchError,
    FetchFailed,
    FetchTimeout,
    SourceNotFound,
    SourceTooLarge,
)
from dictograph.net.addresses import AllowList
from dictograph.net.fetch import Fetched, FetchLimits, fetch
from tests.integration.audio.site import Answer, Resolver, always, download, says, site

BODY = bytes(range(256)) * 400


def failure(answer: Answer, path: str = "/a.mp3", **how: Any) -> DictographError:
    """How the download of a site that answers so goes wrong."""

    async def run() -> DictographError:
        async with site(answer) as it:
            with pytest.raises(DictographError) as caught:
                await download(f"http://127.0.0.1:{it.port}{path}", f"127.0.0.1:{it.port}", **how)
            return caught.value

    return asyncio.run(run())


def test_a_file_comes_whole_with_its_name_and_nothing_of_ours_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as it:
            fetched, received = await download(
                f"http://localhost:{it.port}/x/b%C3%BCcher.mp3?q=ü#f", "127.0.0.0/8", "::1"
            )
        assert received == BODY
        assert fetched.filename == "bücher.mp3"
        request = it.requests[0].lower()
        assert request.startswith("get /x/b%c3%bccher.mp3?q=%c3%bc http/1.1")
        assert f"host: localhost:{it.port}\r\n" in request
        assert "accept-encoding: identity" in request
        assert not {"authorization", "cookie", "referer"} & set(request.replace(":", " ").split())

    asyncio.run(run())


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="talk.wav"', "talk.wav"),
        ("attachment; filename*=UTF-8''gr%C3%BC%C3%9Fe.wav", "grüße.wav"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\evil\tname.wav"', "evilname.wav"),
    ],
)
def test_the_name_that_the_server_gives(disposition: str, name: str) -> None:
    async def run() -> Fetched:
        answer = says("200 OK", f"Content-Disposition: {disposition}", body=b"x")
        async with site(always(answer)) as it:
            return (await download(f"http://127.0.0.1:{it.port}/a", "127.0.0.1"))[0]

    assert asyncio.run(run()).filename == name


def test_an_address_that_is_not_allowed_is_never_called() -> None:
    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as it:
            for host in ("127.0.0.1", "localhost"):
                with pytest.raises(AddressNotAllowed):
                    await download(f"http://{host}:{it.port}/")
            with pytest.raises(AddressNotAllowed):
                await download(f"http://127.0.0.1:{it.port}/", f"127.0.0.1:{it.port + 1}")
            assert it.requests == []

    asyncio.run(run())


def test_a_redirect_is_followed_only_to_where_it_may_lead() -> None:
    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as inner:
            moved = says("302 Found", f"Location: http://127.0.0.1:{inner.port}/secret")
            async with site(always(moved)) as outer:
                start = f"http://127.0.0.1:{outer.port}/"
                with pytest.raises(AddressNotAllowed):
                    await download(start, f"127.0.0.1:{outer.port}")
                assert inner.requests == []
                fetched, received = await download(start, f"127.0.0.1:{outer.port}", f"127.0.0.1:{inner.port}")
                assert received == BODY
                assert fetched.final_url.endswith("/secret")

    asyncio.run(run())


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user:pw@127.0.0.1/", "gopher://x/", "http://[::1"])
def test_a_redirect_to_something_else_than_a_plain_url(location: str) -> None:
    assert type(failure(always(says("301 Moved", f"Location: {location}")))) in (AddressNotAllowed, FetchError)


def test_redirects_in_circles_end() -> None:
    error = failure(always(says("307 Temporary Redirect", "Location: /again")))
    assert "redirects" in error.message
    assert not error.retryable


def test_a_name_that_changes_its_address_is_asked_once_and_called_where_it_was_vetted() -> None:
    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as it:
            rebinding = Resolver(["127.0.0.1"], ["169.254.169.254"])
            _, received = await download(f"http://rebind.example:{it.port}/", "127.0.0.0/8", resolve=rebinding)
            assert received == BODY
            assert rebinding.asked == ["rebind.example"]
            assert f"Host: rebind.example:{it.port}\r\n" in it.requests[0]
            both = Resolver(["127.0.0.1", "10.0.0.1"])
            with pytest.raises(AddressNotAllowed):
                await download(f"http://split.example:{it.port}/", "127.0.0.0/8", resolve=both)
            assert len(it.requests) == 1

    asyncio.run(run())


def test_a_second_address_is_called_when_the_first_refuses() -> None:
    async def run() -> None:
        async with site(always(says("200 OK", body=BODY))) as it:
            two = Resolver(["127.0.0.77", "127.0.0.1"])
            assert (await download(f"http://two.example:{it.port}/", "127.0.0.0/8", resolve=two))[1] == BODY

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        ("404 Not Found", SourceNotFound, False),
        ("410 Gone", SourceNotFound, False),
        ("401 Unauthorized", SourceNotFound, False),
        ("403 Forbidden", SourceNotFound, False),
        ("408 Request Timeout", FetchFailed, True),
        ("429 Too Many Requests", FetchFailed, True),
        ("500 Internal Server Error", FetchFailed, True),
        ("503 Service Unavailable", FetchFailed, True),
        ("204 No Content", FetchError, False),
    ],
)
def test_what_the_server_answers(status: str, kind: type[DictographError], retryable: bool) -> None:
    error = failure(always(says(status)))
    assert type(error) is kind
    assert error.retryable is retryable
    assert status.split()[0] in error.message


def test_too_many_bytes_announced_or_not() -> None:
    endless_chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n"

    async def endless(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(endless_chunks)
        while True:
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    assert isinstance(failure(always(says("200 OK", length=10**9)), max_bytes=1000), SourceTooLarge)
    assert isinstance(failure(endless, max_bytes=50_000), SourceTooLarge)


def test_a_body_that_is_cut_off_is_no_file() -> None:
    assert type(failure(always(says("200 OK", body=BODY, length=len(BODY) + 1)))) is FetchFailed
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    assert type(failure(always(cut))) is FetchFailed
    assert type(failure(always(b"this is no HTTP\r\n\r\n"))) is FetchFailed


def test_a_server_that_drips_is_left_when_the_time_is_up() -> None:
    async def drip(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(says("200 OK", length=10**6))
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    assert type(failure(drip, timeout=0.5)) is FetchTimeout


def test_a_server_that_says_nothing_is_left_long_before_the_time_is_up() -> None:
    async def silence(_: str, writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    async def half(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(says("200 OK", length=10**6) + b"x")
        await writer.drain()
        await writer.wait_closed()

    for answer in (silence, half):
        assert type(failure(answer, timeout=600, quiet=0.3)) is FetchTimeout


def test_name_servers_that_say_nothing_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def silence(*_: object, **__: object) -> NoReturn:
        answered.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    async def run() -> None:
        async def nowhere(_: bytes) -> None:
            raise AssertionError("nothing comes")

        limits = FetchLimits(10**6, 20, 0.1)
        lookups = [fetch(f"http://{n}.example/", nowhere, limits) for n in range(64)]
        failures = await asyncio.gather(*lookups, return_exceptions=True)
        assert {type(one) for one in failures} == {FetchTimeout}
        async with asyncio.timeout(60):
            assert await asyncio.to_thread(str.upper, "work") == "WORK"

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", silence)
        try:
            asyncio.run(run())  # its end waits for the threads of the loop
            assert not answered.is_set()
        finally:
            answered.set()


def test_a_compressed_body_is_refused() -> None:
    assert "gzip" in failure(always(says("200 OK", "Content-Encoding: gzip", body=b"x"))).message


def test_nobody_there() -> None:
    async def run() -> None:
        async with site(always(b"")) as it:
            port = it.port
        with pytest.raises(FetchFailed):
            await download(f"http://127.0.0.1:{port}/", "127.0.0.1")
        with pytest.raises((SourceNotFound, FetchFailed)):
            await download("http://nothing-here.invalid/")

    asyncio.run(run())


def test_an_error_of_the_writer_comes_through() -> None:
    async def run() -> None:
        async def full(_: bytes) -> None:
            raise TimeoutError("the storage is slow")

        async with site(always(says("200 OK", body=BODY))) as it:
            limits = FetchLimits(10**6, 20, 5.0, AllowList.parse(["127.0.0.1"]))
            with pytest.raises(TimeoutError, match="storage"):
                await fetch(f"http://127.0.0.1:{it.port}/", full, limits)

    asyncio.run(run())
