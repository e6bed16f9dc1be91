"""Files that ask for far more than they hold: streams, tables, tags, depth, silence."""

from __future__ import annotations

import gzip
import io
import random
import struct
import zipfile

from tests.hostile.boxes import (
    EBML,
    box,
    cluster,
    element,
    id3,
    matroska,
    number,
    section,
    tone,
    track,
)


def streams_in_matroska(count: int) -> bytes:
    tracks = b"".join(track(at) for at in range(1, count + 1))
    return matroska([cluster(0, tone(1))], tracks=tracks)


def streams_in_mp4(movie: bytes, count: int) -> bytes:
    """`movie` with its track `count` times."""
    at = movie.index(b"trak") - 4
    size = struct.unpack(">I", movie[at : at + 4])[0]
    more = movie[at : at + size] * (count - 1)
    grown = bytearray(movie[:at] + more + movie[at:])
    moov = movie.index(b"moov") - 4
    grown[moov : moov + 4] = struct.pack(">I", struct.unpack(">I", movie[moov : moov + 4])[0] + len(more))
    return bytes(grown)


def streams_in_transport(programs: int, each: int) -> bytes:
    """A transport stream whose tables announce `programs` times `each` streams."""
    first = 0x20
    listed = b"".join(struct.pack(">HH", n + 1, 0xE000 | first + n) for n in range(programs))
    packets = [_table(0, b"\0", 1, listed)]
    pid = first + programs
    for program in range(programs):
        body = struct.pack(">HH", 0xE000 | pid, 0xF000)
        for _ in range(each):
            body += struct.pack(">BHH", 4, 0xE000 | pid, 0xF000)
            pid += 1
        packets.append(_table(first + program, b"\x02", program + 1, body))
    return b"".join(packets) * 2


def _table(pid: int, kind: bytes, name: int, body: bytes) -> bytes:
    content = kind + struct.pack(">HHBBB", 0xB000 | len(body) + 9, name, 0xC1, 0, 0) + body
    data, packets, first = b"\0" + section(content), b"", True
    for counter, at in enumerate(range(0, len(data), 184)):
        head = struct.pack(">BHB", 0x47, (0x4000 if first else 0) | pid, 0x10 | counter % 16)
        packets += head + data[at : at + 184].ljust(184, b"\xff")
        first = False
    return packets


def nested_matroska(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = element(b"\x18\x53\x80\x67", inner, size=-1)
    return EBML + inner


def nested_tags(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = b"\x67\xc8" + struct.pack(">Q", 2**56 | len(inner)) + inner
    tags = element(b"\x12\x54\xc3\x67", element(b"\x73\x73", inner))
    return matroska([cluster(0, tone(1))], before=tags)


def nested_boxes(movie: bytes, depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = box(b"moov", inner)
    return movie[: movie.index(b"moov") - 4] + inner


def chapters(count: int) -> bytes:
    atoms = b"".join(
        element(
            b"\xb6", element(b"\x73\xc4", number(n + 1)), element(b"\x91", number(n)), element(b"\x92", number(n + 1))
        )
        for n in range(count)
    )
    listed = element(b"\x10\x43\xa7\x70", element(b"\x45\xb9", atoms))
    return matroska([cluster(0, tone(1))], before=listed)


def matroska_tags(count: int) -> bytes:
    simple = b"".join(
        element(b"\x67\xc8", element(b"\x45\xa3", b"N%d" % n), element(b"\x44\x87", b"value")) for n in range(count)
    )
    return matroska([cluster(0, tone(1))], before=element(b"\x12\x54\xc3\x67", element(b"\x73\x73", simple)))


def comments(flac: bytes, count: int) -> bytes:
    """`flac` with `count` comments, no name twice."""
    each = b"".join(struct.pack("<I", 12) + b"%010d=v" % n for n in range(count))
    return _with_block(flac, 4, struct.pack("<II", 0, count) + each)


def picture(flac: bytes, size: int) -> bytes:
    """`flac` with a cover of `size` bytes that calls itself a PNG of 100 million dots."""
    kind, about = b"image/png", struct.pack(">IIIII", 10_000, 10_000, 24, 0, size)
    return _with_block(flac, 6, struct.pack(">II", 3, len(kind)) + kind + bytes(4) + about + _png(size))


def _with_block(flac: bytes, kind: int, body: bytes) -> bytes:
    # The first block, STREAMINFO, ends at 42.
    return flac[:42] + bytes([kind]) + len(body).to_bytes(3, "big") + body + flac[42:]


def _png(size: int) -> bytes:
    return (b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(size))[:size]


def cover(mp3: bytes, size: int) -> bytes:
    """`mp3` with a picture of `size` bytes in its tag."""
    return id3((b"APIC", b"\0image/png\0\x03\0" + _png(size))) + mp3


def attachment(size: int) -> bytes:
    """A Matroska file with a picture of `size` bytes attached."""
    about = element(b"\x46\x6e", b"a.png") + element(b"\x46\x60", b"image/png") + element(b"\x46\xae", b"\1")
    file = element(b"\x61\xa7", about, element(b"\x46\x5c", _png(size)))
    return matroska([cluster(0, tone(1))], before=element(b"\x19\x41\xa4\x69", file))


def zip_of_silence(size: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("speech.wav", bytes(size))
    return held.getvalue()


def gzip_of_silence(size: int) -> bytes:
    return gzip.compress(bytes(size), mtime=0)
