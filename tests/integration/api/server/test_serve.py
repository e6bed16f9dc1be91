"""The server itself: many addresses, limits of a connection, an end in good order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from dictograph.api.server import serve
from dictograph.api.server.fd_limit import connections_within
from dictograph.errors import SettingsError
from tests.integration.api.live import Live, live


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The smallest application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


def test_answers_do_not_wait_for_the_client_to_acknowledge_their_heads() -> None:
    """Nagle's algorithm is off on every connection, not only on the first answer of each."""

    async def run() -> int:
        made: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        with serve.listening_socket("127.0.0.1:0") as listening:
            one = await asyncio.start_server(lambda _, writer: made.put_nowait(writer), sock=listening)
            _, client = await asyncio.open_connection(*listening.getsockname())
            accepted: socket.socket = (writer := await made.get()).get_extra_info("socket")
            option = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            writer.close()
            client.close()
            one.close()
        return option

    assert asyncio.run(run())


def test_it_serves_several_addresses_and_touches_no_signal() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def run() -> list[str]:
        stop, told = asyncio.Event(), asyncio.Queue[list[str]]()
        addresses = ["127.0.0.1:0", "127.0.0.1:0", *(["[::1]:0"] if has_ipv6() else [])]
        running = asyncio.create_task(serve.serve(hello, addresses, told.put_nowait, stop))
        started = await told.get()
        assert signal.getsignal(signal.SIGTERM) is before
        async with httpx.AsyncClient() as client:
            answers = [(await client.get(f"http://{address}/")).text for address in started]
        stop.set()
        await asyncio.wait_for(running, 60)
        return answers

    assert set(asyncio.run(run())) == {"hi"}


def test_an_address_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SettingsError, match=rf"{address}.*--port.*DICTOGRAPH_LISTEN"):
            asyncio.run(serve.serve(hello, [address], print, asyncio.Event()))


def test_a_client_that_never_ends_its_headers_is_cut_off(tmp_path: Path, migrated: Path) -> None:
    with live(tmp_path, migrated=migrated, header_timeout=0.3) as api:
        for start in (b"", b"GET /health HTTP/1.1\r\nhost: ", b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /"):
            with _connected(api) as raw:
                stop = threading.Event()
                dripping = threading.Thread(target=_drip, args=(raw, start, stop))
                dripping.start()
                try:
                    while raw.recv(9000):
                        pass
                except ConnectionResetError:
                    pass  # a drop that came after the end
                finally:
                    stop.set()
                    dripping.join()


def test_headers_are_limited(api: Live) -> None:
    with _connected(api) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 40_000)
        assert raw.recv(9000).startswith(b"HTTP/1.1 400")


def test_what_is_no_http_gets_the_shape_of_all_errors(api: Live) -> None:
    for nonsense in (
        b"\x16\x03\x01\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    ):
        with _connected(api) as raw:
            raw.sendall(nonsense)
            head, _, body = _all_of(raw).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert json.loads(body)["error"]["code"] == "invalid_request"


def test_nonsense_behind_a_request_puts_nothing_into_its_answer(api: Live) -> None:
    with api.client() as client, _connected(api) as raw:
        job = client.post("/v1/transcriptions", files={"file": ("a.wav", b"sound")}).json()["id"]
        head = f"GET /v1/transcriptions/{job}/events HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        raw.sendall(head.encode())
        answer = raw.recv(9000)
        raw.sendall(b"no chunk\r\n\r\n")
        answer += _all_of(raw)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"400 Bad Request" not in answer


def test_one_connection_too_many_is_told_so_and_costs_the_others_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "raise_fd_limit", lambda: 3)

    async def run() -> bytes:
        stop, told = asyncio.Event(), asyncio.Queue[list[str]]()
        running = asyncio.create_task(serve.serve(hello, ["127.0.0.1:0"], told.put_nowait, stop))
        [address] = await told.get()
        host, _, port = address.rpartition(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(4)]
        refusal = await held[3][0].read()
        held[0][1].write(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        assert (await held[0][0].read()).endswith(b"hi")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{address}/")).text == "hi", "its place is free again"
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        stop.set()
        await asyncio.wait_for(running, 60)
        return refusal

    head, _, body = asyncio.run(run()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert json.loads(body)["error"]["code"] == "server_busy"


@pytest.mark.parametrize(("files", "connections"), [(128, 16), (256, 64), (1024, 448), (10**6, 8192)])
def test_descriptors_are_kept_for_what_is_no_connection(files: int, connections: int) -> None:
    assert connections_within(files) == connections


def test_it_lets_a_request_end_before_it_stops(api: Live, tmp_path: Path) -> None:
    head = "POST /v1/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=x\r\n"
    begin = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nso'
    end = b"und\r\n--x--\r\n"
    with _connected(api) as raw:
        raw.sendall(f"{head}content-length: {len(begin + end)}\r\n\r\n".encode() + begin)
        with api.client() as client:
            assert client.get("/health").status_code == 200  # the upload has been begun
        api.stop()
        raw.sendall(end)
        assert raw.recv(9000).startswith(b"HTTP/1.1 202")


def _connected(api: Live) -> socket.socket:
    host, _, port = api.base.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10)


def _all_of(raw: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while more := raw.recv(9000):
            answer += more
    return answer


def _drip(raw: socket.socket, start: bytes, stop: threading.Event) -> None:
    try:
        if start:
            raw.sendall(start)
        while not stop.wait(0.05):
            if start:
                raw.sendall(b"x")
    except OSError:
        return


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
