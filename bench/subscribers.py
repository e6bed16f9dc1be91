"""A process full of subscribers: `python -m bench.subscribers HOST:PORT`, told by JSON lines what to do.

`{"open": {"name", "kind": "sse" | "ws", "jobs": [...], "count", "read", "note"}}` opens so many streams, the jobs
taken in turn, and answers once all are accepted. Those that do not read never take a byte of what they have asked for;
those that note tell when each event came. `{"tell": name}` answers how the streams of a group do.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import resource
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import Any

#: So many are opened at once; more would be refused by the backlog of a busy server.
_AT_ONCE = 50
#: A stream that does not read has this little room in its own socket, in bytes.
_SMALL = 4096


@dataclass
class Group:
    """Streams of one kind. `events` are (job id, number, type, seconds since 1970 when it came)."""

    streams: list[Stream | Stalled] = field(default_factory=list)
    refused: int = 0
    events: list[tuple[str, int, str, float]] = field(default_factory=list)

    def tell(self) -> dict[str, Any]:
        events, self.events = self.events, []
        alive = sum(not stream.ended for stream in self.streams)
        return {"alive": alive, "refused": self.refused, "events": events}


class Stream(asyncio.Protocol):
    """One subscriber that reads: SSE over chunked HTTP/1.1, or a WebSocket."""

    def __init__(self, group: Group, job: str, kind: str, *, noting: bool) -> None:
        self._group = group
        self._job = job
        self._kind = kind
        self._noting = noting
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self.accepted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(_request(self._job, self._kind))

    def data_received(self, data: bytes) -> None:
        now = time.time()
        self._data += data
        if not self.accepted.done():
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._data = rest
            self.accepted.set_result(head.split()[1] in (b"200", b"101"))
        if self._kind == "ws":
            self._frames(now)
        else:
            self._records(now)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self.ended = True
        if not self.accepted.done():
            self.accepted.set_result(False)

    def _records(self, now: float) -> None:
        *whole, self._data = self._data.split(b"\n\n")
        for record in whole:
            words = dict(line.split(b": ", 1) for line in record.splitlines() if b": " in line)
            if b"id" in words:
                self._note(int(words[b"id"]), words[b"event"].decode(), now)

    def _frames(self, now: float) -> None:
        while (frame := _frame(self._data)) is not None:
            kind, payload, self._data = frame
            if kind == 0x9:  # a ping: whoever does not answer is given up
                mask = os.urandom(4)
                masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
                assert self._transport is not None
                self._transport.write(bytes([0x8A, 0x80 | len(payload)]) + mask + masked)
            elif kind == 0x1:
                told = json.loads(payload)
                if told["seq"] is not None:
                    self._note(told["seq"], told["type"], now)

    def _note(self, seq: int, kind: str, now: float) -> None:
        if self._noting:
            self._group.events.append((self._job, seq, kind, now))


class Stalled:
    """A subscriber that asks and then never reads."""

    def __init__(self, one: socket.socket) -> None:
        self._socket = one

    @property
    def ended(self) -> bool:
        """Whether the service has given the connection up."""
        poll = select.poll()
        poll.register(self._socket, 0)  # errors and hang-ups are told in any case
        return bool(poll.poll(0))


class Crowd:
    """All groups of this process."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = (host, int(port))
        self._groups: dict[str, Group] = {}

    async def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if "tell" in order:
            return self._groups[order["tell"]].tell()
        wanted = order["open"]
        group = self._groups.setdefault(wanted["name"], Group())
        turns = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> None:
            job = wanted["jobs"][number % len(wanted["jobs"])]
            async with turns:
                if wanted["read"]:
                    await self._join(group, job, wanted["kind"], noting=wanted["note"])
                else:
                    await self._stall(group, job, wanted["kind"])

        await asyncio.gather(*(one(number) for number in range(wanted["count"])))
        return group.tell()

    async def _join(self, group: Group, job: str, kind: str, *, noting: bool) -> None:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_connection(lambda: Stream(group, job, kind, noting=noting), *self._address)
        if await stream.accepted:
            group.streams.append(stream)
        else:
            group.refused += 1

    async def _stall(self, group: Group, job: str, kind: str) -> None:
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
        one.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(one, self._address)
        await loop.sock_sendall(one, _request(job, kind))
        group.streams.append(Stalled(one))


def _request(job: str, kind: str) -> bytes:
    if kind == "sse":
        return f"GET /v1/transcriptions/{job}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /v1/transcriptions/{job}/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def _frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """The first frame of `data` (its kind, its payload, the rest); None when it is not whole yet."""
    if len(data) < 2:
        return None
    size, start = data[1] & 0x7F, 2
    if size >= 126:
        start = 4 if size == 126 else 10
        size = int.from_bytes(data[2:start])
    if len(data) < start + size:
        return None
    return data[0] & 0x0F, data[start : start + size], data[start + size :]


async def _serve(address: str) -> None:
    crowd = Crowd(address)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await crowd.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_serve(sys.argv[1]))
