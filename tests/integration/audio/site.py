"""Servers on loopback for downloads: they answer each request as they are told, and remember the requests."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from dictograph.net.addresses import AllowList
from dictograph.net.fetch import Fetched, FetchLimits, fetch

#: Gets the path that was asked for.
Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


class Site:
    """A server that answers each request by `answer`, and remembers the requests."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[str] = []
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _ in range(10):  # turns of the loop, in which transports notice that they are closed
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(request)
            await self._answer(request.split()[1], writer)
            await writer.drain()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def site(answer: Answer, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Site]:
    it = Site(answer)
    server = await asyncio.start_server(it.serve, host, 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await it.close()


def says(status: str, *headers: str, body: bytes = b"", length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(answer: bytes) -> Answer:
    async def write(_: str, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return write


class Resolver:
    """A name server of our own: gives one answer after the other, and counts the questions."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


async def download(
    url: str,
    *allow: str,
    max_bytes: int = 10**6,
    timeout: float = 20,
    quiet: float = 60,
    connect: float = 5,
    resolve: Callable[[str, int], Awaitable[Sequence[str]]] | None = None,
) -> tuple[Fetched, bytes]:
    """Download with limits; what was fetched, and its bytes."""
    received = bytearray()

    async def write(chunk: bytes) -> None:
        received.extend(chunk)

    limits = FetchLimits(max_bytes, timeout, connect, AllowList.parse(allow), quiet)
    extra = {} if resolve is None else {"resolve": resolve}
    fetched = await fetch(url, write, limits, **extra)
    assert fetched.size == len(received)
    return fetched, bytes(received)
