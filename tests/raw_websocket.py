"""A WebSocket's bytes, sent as no client library would send them."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any
from urllib.parse import urlsplit

TEXT, CLOSE, PING = 1, 8, 9


def dial(base: str) -> socket.socket:
    """A connection to the service at this URL."""
    parts = urlsplit(base)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=10)


def handshake(base: str, path: str = "/", *lines: str) -> bytes:
    """A request for a WebSocket."""
    fixed = [
        f"GET {path} HTTP/1.1",
        f"Host: {urlsplit(base).netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*fixed, *lines, "", ""]).encode()


def frame(opcode: int, data: bytes | str = b"", *, masked: bool = True) -> bytes:
    """A client's frame of at most 65,535 bytes. The mask is all zeros, so that the bytes can be read."""
    data = data.encode() if isinstance(data, str) else data
    sign = 0x80 if masked else 0
    length = bytes([sign | len(data)]) if len(data) < 126 else bytes([sign | 126]) + len(data).to_bytes(2, "big")
    return bytes([0x80 | opcode]) + length + (b"\0\0\0\0" if masked else b"") + data


def say(message: dict[str, Any]) -> bytes:
    return frame(TEXT, json.dumps(message))


def close(code: int = 1000) -> bytes:
    return frame(CLOSE, code.to_bytes(2, "big"))


def all_of(one: socket.socket) -> bytes:
    """Everything until the other side closes."""
    received = b""
    while more := one.recv(65536):
        received += more
    return received


def heard(received: bytes) -> tuple[list[dict[str, Any]], int | None]:
    """What came after the answer to the handshake: the messages, and the code of the close frame behind them."""
    top, _, rest = received.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 101 "), received[:200]
    messages: list[dict[str, Any]] = []
    while rest:
        opcode, length, at = rest[0] & 0x0F, rest[1], 2
        if length >= 126:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(rest[2 : 2 + size], "big"), 2 + size
        data, rest = rest[at : at + length], rest[at + length :]
        if opcode == CLOSE:
            assert not rest, "something comes after the close frame"
            return messages, int.from_bytes(data[:2], "big")
        if opcode == TEXT:
            messages.append(json.loads(data))
    return messages, None
