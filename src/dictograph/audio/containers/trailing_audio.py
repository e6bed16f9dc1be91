"""Find audio behind the sound that a file's header states. Runs in the decoder child only.

A recorder that lost its power leaves a header that is older than the sound behind it, and files that were
joined byte by byte have a second header in the middle, where FFmpeg often ends without an error.
"""

from __future__ import annotations

import os
import re
from io import FileIO
from typing import Final

#: The beginning of a file of each container: where it is found behind the sound, another file begins.
_BEGINNINGS: Final = {
    "wav": re.compile(rb"RIFF....WAVE", re.DOTALL),
    "aiff": re.compile(rb"FORM....AIF[FC]", re.DOTALL),
    "mov": re.compile(rb"\x00\x00..ftyp", re.DOTALL),
    "matroska": re.compile(rb"\x1aE\xdf\xa3"),
    "flv": re.compile(rb"FLV\x01"),
    "asf": re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
}

#: The number of bytes that are searched for it: an index may be before it, of some MB in a day's recording.
_SEARCHED: Final = 2**23

#: A rest of more than this share of the file is reported, whatever it contains, unless it may well be an index with
#: pictures (MP4) or chunks of other things (WAV, AIFF). It has to have more bytes than a page of Ogg, of whose packets
#: FFmpeg only says where the page begins.
_LARGE_REST: Final = 0.25
_PAGE: Final = 2**16
_MAY_HAVE_MORE: Final = frozenset({"mov", "wav", "aiff"})

#: Chunks before the sound of a WAV file are a handful, and what is no chunk behind it is one of these tags or sound.
_MAX_CHUNKS: Final = 100
_TAGS: Final = (b"ID3", b"TAG", b"APET")

#: Chunks that are believed to be such whatever their size says: writers get it wrong, and what is cut off lacks some.
_KNOWN: Final = frozenset(
    (b"LIST", b"id3 ", b"bext", b"iXML", b"axml", b"chna", b"_PMX", b"cue ", b"smpl", b"fact", b"PEAK", b"JUNK")
)

#: Bytes of nothing but 0, or 255, behind the sound and at the end of the file are padding.
_PADDING: Final = 4096
#: A chunk begins at an even place: behind an odd end comes a byte, and some writers count that in, too.
_BEFORE_CHUNK: Final = (0, 1, 2)

#: Sizes of a data chunk that FFmpeg itself ignores.
_UNKNOWN_SIZES: Final = frozenset({0, 0xFFFFFFFF})


def unread(file: FileIO, container: str, read_to: int) -> int:
    """Return the number of bytes behind `read_to`, the end of the last packet, if they may be sound; else 0."""
    size = os.fstat(file.fileno()).st_size
    rest = max(0, size - read_to)
    if rest > max(_PAGE, _LARGE_REST * size) and container not in _MAY_HAVE_MORE:
        return rest
    beginning = _BEGINNINGS.get(container)
    found = beginning.search(os.pread(file.fileno(), min(rest, _SEARCHED), read_to)) if beginning else None
    return rest - found.start() if found else 0


def goes_on(file: FileIO) -> bool:
    """Return whether a WAV file has more than a second of sound behind the end that its header states."""
    end, second = _stated_end(file)
    rest = os.fstat(file.fileno()).st_size - end
    if end <= 0 or rest <= max(second, _PADDING):
        return False
    return not (_is_padding(file, end, rest) or any(_is_chunk(file, end + n, rest - n) for n in _BEFORE_CHUNK))


def _stated_end(file: FileIO) -> tuple[int, int]:
    """Return where the sound of a WAV file ends (0: not stated), and its bytes for each second."""
    if os.pread(file.fileno(), 4, 0) != b"RIFF":
        return 0, 0
    position, second = 12, 0
    for _ in range(_MAX_CHUNKS):
        name, size = _chunk(file, position)
        if name == b"data":
            return (0 if size in _UNKNOWN_SIZES else position + 8 + size), second
        if name == b"fmt ":
            second = int.from_bytes(os.pread(file.fileno(), 4, position + 16), "little")
        position += 8 + size + size % 2
    return 0, 0


def _is_chunk(file: FileIO, position: int, rest: int) -> bool:
    name, size = _chunk(file, position)
    likely = size <= rest - 8 and all(0x20 <= byte < 0x7F for byte in name)
    return name.startswith(_TAGS) or name in _KNOWN or likely


def _is_padding(file: FileIO, position: int, rest: int) -> bool:
    ends = (os.pread(file.fileno(), _PADDING, position), os.pread(file.fileno(), _PADDING, position + rest - _PADDING))
    return any(not b"".join(ends).strip(filler) for filler in (b"\0", b"\xff"))


def _chunk(file: FileIO, position: int) -> tuple[bytes, int]:
    head = os.pread(file.fileno(), 8, position)
    return head[:4], int.from_bytes(head[4:], "little")
