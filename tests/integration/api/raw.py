"""Requests byte by byte, as no client library would send them."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass
from typing import Any

from tests.integration.api.live import Live

JOBS = "/v1/transcriptions"
BOUNDARY = "frontier"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
END = f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the first answer's status and headers, and all bytes behind them."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of the error that it is. Fails when it is none of the one shape."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert error["message"]
        return str(error["code"])


def part(name: bytes | str, value: bytes, disposition: bytes = b"") -> bytes:
    """A part of a form; `disposition` goes behind the name, as in b'; filename="a"'."""
    name = name.encode() if isinstance(name, str) else name
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n'
    return head % (BOUNDARY.encode(), name, disposition) + value + b"\r\n"


def file_part(value: bytes = b"sound", name: bytes = b"a.wav") -> bytes:
    return part("file", value, b'; filename="%b"' % name)


def head(*lines: str, target: str = JOBS, method: str = "POST", kind: str = FORM) -> bytes:
    """A request's head. The connection is closed after its answer unless `lines` say otherwise."""
    fixed = [f"{method} {target} HTTP/1.1", "host: localhost", f"content-type: {kind}", "connection: close"]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def connected(api: Live, source: str = "127.0.0.1") -> socket.socket:
    host, _, port = api.base.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)), timeout=10, source_address=(source, 0))


def received(raw: socket.socket) -> bytes:
    """All until the other side closes."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while more := raw.recv(65536):
            answer += more
    return answer


def parsed(answer: bytes) -> Reply:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top, "the connection was closed without an answer"
    first, *lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(first.split()[1]), headers, body)


def exchange(api: Live, *pieces: bytes) -> Reply:
    """Send these bytes, and no more; the answer."""
    with connected(api) as raw:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was refused before its end
            for piece in pieces:
                raw.sendall(piece)
        return parsed(received(raw))


def upload(api: Live, body: bytes, *lines: str, kind: str = FORM) -> Reply:
    """Send a body with its true length."""
    return exchange(api, head(*lines, f"content-length: {len(body)}", kind=kind) + body)
