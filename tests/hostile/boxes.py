"""The building blocks of containers, by hand: no encoder writes what these files say."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import numpy as np

RATE = 16_000


def tone(seconds: float, rate: int = RATE) -> bytes:
    """A sine of 440 Hz, an eighth of full scale, as s16le."""
    times = np.arange(round(seconds * rate)) / rate
    return (4096 * np.sin(2 * np.pi * 440 * times)).astype("<i2").tobytes()


def wave(
    data: bytes = b"",
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    align: int | None = None,
    stated: int | None = None,
    whole: int | None = None,
) -> bytes:
    """A WAV file. `stated` is the size its data chunk claims, `whole` that of the file."""
    align = channels * bits // 8 if align is None else align
    form = struct.pack("<HHIIHH", code, channels, rate, rate * align % 2**32, align, bits)
    size = len(data) if stated is None else stated
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", len(chunks) if whole is None else whole) + chunks


def aiff(data: bytes, rate: bytes, *, channels: int = 1, bits: int = 16, frames: int | None = None) -> bytes:
    """An AIFF file; `rate` is its 80-bit float as it stands in the file."""
    count = len(data) // 2 if frames is None else frames
    common = b"COMM" + struct.pack(">IhIh", 18, channels, count, bits) + rate
    sound = b"SSND" + struct.pack(">III", len(data) + 8, 0, 0) + data
    return b"FORM" + struct.pack(">I", 4 + len(common) + len(sound)) + b"AIFF" + common + sound


def box(kind: bytes, *content: bytes, size: int | None = None) -> bytes:
    """An MP4 box; `size` is what it claims."""
    body = b"".join(content)
    return struct.pack(">I", len(body) + 8 if size is None else size) + kind + body


def element(number: bytes, *content: bytes, size: int | None = None) -> bytes:
    """An EBML element with a length of eight bytes; `size` is what it claims, -1 for unknown."""
    body = b"".join(content)
    length = len(body) if size is None else size
    return number + (b"\x01" + b"\xff" * 7 if length == -1 else struct.pack(">Q", 2**56 | length)) + body


def number(value: int) -> bytes:
    """An unsigned integer as EBML has it."""
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big")


EBML = element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"matroska"), element(b"\x42\x87", number(4)))


def track(
    at: int, codec: bytes = b"A_PCM/INT/LIT", rate: float = RATE, channels: int = 1, encodings: bytes = b""
) -> bytes:
    """A Matroska track of sound, numbered `at`; `encodings` is what was done to its blocks."""
    audio = (
        element(b"\xb5", struct.pack(">d", rate))
        + element(b"\x9f", number(channels))
        + element(b"\x62\x64", number(16))
    )
    return element(
        b"\xae",
        element(b"\xd7", number(at)),
        element(b"\x73\xc5", number(at)),
        element(b"\x83", number(2)),
        element(b"\x86", codec),
        element(b"\xe1", audio),
        encodings,
    )


def cluster(milliseconds: int, *blocks: bytes) -> bytes:
    """A Matroska cluster with blocks for track 1, all at its own time."""
    simple = (element(b"\xa3", b"\x81\0\0\x80" + block) for block in blocks)
    return element(b"\x1f\x43\xb6\x75", element(b"\xe7", number(milliseconds)), *simple)


def matroska(
    clusters: Iterable[bytes], *, tracks: bytes | None = None, before: bytes = b"", info: bytes = b""
) -> bytes:
    """A Matroska file with one track of PCM, unless `tracks` says otherwise."""
    head = element(b"\x15\x49\xa9\x66", element(b"\x2a\xd7\xb1", number(1_000_000)), info)
    listed = element(b"\x16\x54\xae\x6b", track(1) if tracks is None else tracks)
    return EBML + element(b"\x18\x53\x80\x67", head, before, listed, *clusters)


def id3(*frames: tuple[bytes, bytes], size: int | None = None) -> bytes:
    """An ID3v2.3 tag; `size` is what it claims."""
    body = b"".join(name + struct.pack(">IH", len(data), 0) + data for name, data in frames)
    claimed = len(body) if size is None else size
    return b"ID3\x03\0\0" + bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def ogg_pages(data: bytes) -> list[bytearray]:
    """The pages of an Ogg file."""
    pages, at = [], 0
    while at < len(data):
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        end = at + 27 + len(lacing) + sum(lacing)
        pages.append(bytearray(data[at:end]))
        at = end
    return pages


def sealed(page: bytearray) -> bytes:
    """An Ogg page with the checksum that it ought to have."""
    page[22:26] = bytes(4)
    page[22:26] = struct.pack("<I", _crc(bytes(page), 0))
    return bytes(page)


def section(content: bytes) -> bytes:
    """A table of a transport stream, with its checksum."""
    return content + struct.pack(">I", _crc(content, 0xFFFFFFFF))


def _crc(data: bytes, start: int) -> int:
    value = start
    for byte in data:
        value = value << 8 & 0xFFFFFFFF ^ _CRC[value >> 24 ^ byte]
    return value


def _crc_of(byte: int) -> int:
    value = byte << 24
    for _ in range(8):
        value = value << 1 & 0xFFFFFFFF ^ (0x04C11DB7 if value & 0x80000000 else 0)
    return value


_CRC = [_crc_of(byte) for byte in range(256)]
