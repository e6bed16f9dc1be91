"""The protocol between parent and child: frames of a JSON header and raw bytes, each with its length in front.

A frame is two big-endian unsigned 32-bit lengths, the header (JSON in UTF-8), the body. Both are
bounded: a child that was taken over cannot make its parent allocate at will, nor keep its loop busy.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

if TYPE_CHECKING:  # a child does not need it, and importing it is a good part of a child's start
    import asyncio

MAX_HEADER = 16 * 1024 * 1024
MAX_BODY = 64 * 1024 * 1024

#: Enough for the headers of children that work on hostile bytes. The parent parses such a header on its event loop, in
#: a millisecond.
SMALL_HEADER = 2**16


_LENGTHS = struct.Struct(">II")


class Largest(NamedTuple):
    """The limits of a frame's size, in bytes."""

    header: int
    body: int


ANY = Largest(MAX_HEADER, MAX_BODY)


class BrokenFrame(Exception):
    """The other side sent something that is not a frame, or ended in the middle of a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `header` is any JSON object, `body` raw bytes (samples, say)."""

    header: dict[str, Any]
    body: bytes = field(default=b"", repr=False)


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes."""
    header = json.dumps(frame.header, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTHS.pack(len(header), len(frame.body)) + header + frame.body


def read_frame(stream: BinaryIO) -> Frame | None:
    """Return the next frame of a blocking stream; None at a clean end."""
    lengths = _read_exactly(stream, _LENGTHS.size)
    if not lengths:
        return None
    header_size, body_size = _checked(lengths, ANY)
    header = _read_exactly(stream, header_size)
    body = _read_exactly(stream, body_size)
    if len(header) != header_size or len(body) != body_size:
        raise BrokenFrame("the stream ended in the middle of a frame")
    return _parsed(header, body)


def write_frame(stream: BinaryIO, frame: Frame) -> None:
    """Write a frame to a blocking stream and flush it."""
    stream.write(encode(frame))
    stream.flush()


async def receive_frame(reader: asyncio.StreamReader, largest: Largest = ANY) -> Frame | None:
    """Return the next frame of an asyncio stream; None when the stream ended, even in the middle of a frame."""
    try:
        header_size, body_size = _checked(await reader.readexactly(_LENGTHS.size), largest)
        header = await reader.readexactly(header_size)
        body = await reader.readexactly(body_size)
    except (EOFError, ConnectionError):  # asyncio's IncompleteReadError is an EOFError
        return None
    return _parsed(header, body)


def _checked(lengths: bytes, largest: Largest) -> tuple[int, int]:
    if len(lengths) != _LENGTHS.size:
        raise BrokenFrame("the stream ended in the middle of a frame")
    header_size, body_size = _LENGTHS.unpack(lengths)
    if header_size > largest.header or body_size > largest.body:
        raise BrokenFrame(f"a frame of {header_size} + {body_size} bytes is over the limit")
    return header_size, body_size


def _parsed(header: bytes, body: bytes) -> Frame:
    try:
        shape = json.loads(header)
    except (ValueError, RecursionError) as error:
        raise BrokenFrame("a frame's header is not JSON") from error
    if not isinstance(shape, dict):
        raise BrokenFrame("a frame's header is not a JSON object")
    return Frame(shape, body)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    parts = []
    while size > 0:
        part = stream.read(size)
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
