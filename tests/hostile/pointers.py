"""Files that hold no sound, and point at some: at a file beside them, at any file, at a server."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.boxes import box


@dataclass(frozen=True, slots=True)
class Pointer:
    """`demuxer` is the one of FFmpeg that follows it; `calls` says that it leads to a server, and not to a file."""

    name: str
    data: bytes
    demuxer: str
    calls: bool = False


def pointers(secret: Path, stream: Path, movie: bytes, server: str) -> Iterator[Pointer]:
    """One for each way that works on an FFmpeg without our guards.

    Args:
        secret: a WAV file, to be found by its name alone from the folder that the process works in.
        stream: the same as a transport stream, which HLS wants.
        movie: a MOV file of PCM, whose index comes last.
        server: host and port.
    """

    def concat(target: object) -> bytes:
        return f"ffconcat version 1.0\nfile '{target}'\n".encode()

    def hls(target: object) -> bytes:
        return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode()

    yield Pointer("concat-sibling", concat(secret.name), "concat")
    yield Pointer("concat-absolute", concat(secret), "concat")
    yield Pointer("concat-url", concat(f"file:{secret}"), "concat")
    yield Pointer("concat-subfile", concat(f"subfile,,start,0,end,0,,:{secret}"), "concat")
    yield Pointer("concat-concat", concat(f"concat:{secret}|{secret}"), "concat")
    yield Pointer("concat-http", concat(f"http://{server}/a.wav"), "concat", calls=True)
    yield Pointer("hls-absolute", hls(stream), "hls")
    yield Pointer("hls-url", hls(f"file://{stream}"), "hls")
    yield Pointer("hls-data", hls("data:video/mp2t;base64," + base64.b64encode(stream.read_bytes()).decode()), "hls")
    yield Pointer("hls-http", hls(f"http://{server}/a.ts"), "hls", calls=True)
    yield Pointer("quicktime-alias", alias(movie, secret), "mov")


def alias(movie: bytes, target: Path) -> bytes:
    """`movie` whose samples lie in another file, by a Macintosh alias; its own are silent."""
    path = str(target).encode()
    record = bytes(10) + bytes(28) + bytes(12) + bytes([len(target.name)]) + target.name.encode().ljust(63, b"\0")
    record += bytes(16) + struct.pack(">hh", 0, 0) + bytes(16) + struct.pack(">HH", 2, len(path))
    record += path + bytes(len(path) % 2) + struct.pack(">HH", 0xFFFF, 0)
    record = record.ljust(160, b"\0")
    reference = box(b"dref", struct.pack(">II", 0, 1), box(b"alis", bytes(4), record))
    changed = bytearray(replaced(movie, b"dinf", reference))
    begin = changed.index(b"mdat") + 4
    size = struct.unpack(">I", changed[begin - 8 : begin - 4])[0] - 8
    changed[begin : begin + size] = bytes(size)
    return bytes(changed)


def replaced(movie: bytes, kind: bytes, content: bytes) -> bytes:
    """`movie` with other content in the box `kind` of its index, which comes after the samples."""
    at = movie.index(kind) - 4
    size = struct.unpack(">I", movie[at : at + 4])[0]
    new = box(kind, content)
    changed = bytearray(movie[:at] + new + movie[at + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        where = movie.index(name) - 4
        whole = struct.unpack(">I", movie[where : where + 4])[0]
        if where < at < where + whole:
            changed[where : where + 4] = struct.pack(">I", whole + len(new) - size)
    return bytes(changed)
