"""Sound that FFmpeg would decode into noise: it is encrypted, or compressed once more in a way that FFmpeg does not
undo. Runs in the decoder child only.

FFmpeg says nothing of it, or only in its log, and gives the bytes to the decoder as they are stored. So the
headers are read here. One such track with sound is enough to refuse the file, also beside a track that can be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import FileIO
from typing import Final

#: What the elements of a Matroska file are called (RFC 9559, section 5).
_SEGMENT, _TRACKS, _TRACK, _TRACK_TYPE = 0x18538067, 0x1654AE6B, 0xAE, 0x83
_ENCODINGS, _ENCODING, _ENCODING_TYPE, _COMPRESSION, _ALGORITHM = 0x6D80, 0x6240, 0x5033, 0x5034, 0x4254

#: Elements whose content is looked at.
_OPENED: Final = frozenset({_SEGMENT, _TRACKS, _TRACK, _ENCODINGS, _ENCODING, _COMPRESSION})

_SOUND: Final = 2
_ENCRYPTED: Final = 1

#: How the blocks of a track may be compressed, and what of this FFmpeg undoes: zlib, lzo1x, and headers left out.
_COMPRESSIONS: Final = {1: "bz2"}
_UNDONE: Final = frozenset({0, 2, 3})

#: Boxes of an MP4 file whose content is looked at (ISO/IEC 14496-12), and how many bytes lie before it.
_BOXES: Final = {b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"stsd": 8}

#: Sound that is encrypted by the name of its entry: by ISO/IEC 23001-7 and the like, Apple's, and Audible's.
_PROTECTED: Final = {b"enca": "enca", b"drms": "drms, FairPlay", b"aavd": "aavd, Audible", b"aaxc": "aaxc, Audible"}

#: What FFmpeg tells of the objects in an ASF file that say how it is encrypted.
_ASF_SIGNS: Final = frozenset({"ASF_Protection_Type", "ASF_Key_ID", "encryption"})


def why_unreadable(file: FileIO, container: str, metadata: Mapping[str, str]) -> str | None:
    """Return in words why the sound of a file would come out as noise; None if it would not.

    `metadata` is what FFmpeg tells of the container.
    """
    if container == "matroska":
        return next((reason for track in _matroska_tracks(file) if (reason := track.why_unreadable())), None)
    if container == "mov":
        found = next((_PROTECTED[kind] for kind in _mp4_boxes(file) if kind in _PROTECTED), None)
        return _encrypted(found) if found else None
    if container == "asf" and not _ASF_SIGNS.isdisjoint(metadata):
        return _encrypted("Windows Media DRM")
    return None


def _encrypted(how: str) -> str:
    return f"The audio in the file is encrypted ({how}). Send a copy that is not."


@dataclass(slots=True)
class _Encoding:
    """What was done to the blocks of a track, as Matroska says it: compressed by zlib unless it says more."""

    kind: int = 0
    algorithm: int = 0


@dataclass(slots=True)
class _Track:
    kind: int = 0
    encodings: list[_Encoding] = field(default_factory=list)

    def why_unreadable(self) -> str | None:
        if self.kind != _SOUND or not self.encodings:
            return None
        if any(encoding.kind == _ENCRYPTED for encoding in self.encodings):
            return _encrypted("a Matroska track with ContentEncryption")
        if len(self.encodings) > 1:
            return "The audio in the file is compressed several times over, which cannot be read."
        encoding = self.encodings[0]
        if encoding.kind == 0 and encoding.algorithm in _UNDONE:
            return None
        name = _COMPRESSIONS.get(encoding.algorithm, f"algorithm {encoding.algorithm}")
        return (
            f"The audio in the file is compressed once more with {name}, which cannot be read. "
            "Send a copy without that (mkvmerge --compression -1:none)."
        )


def _matroska_tracks(file: FileIO) -> list[_Track]:
    """Read the tracks that the first list of tracks has."""
    tracks: list[_Track] = []
    for number, value in _matroska_elements(file):
        if number == _TRACK:
            tracks.append(_Track())
        elif not tracks:
            continue
        elif number == _TRACK_TYPE:
            tracks[-1].kind = value
        elif number == _ENCODING:
            tracks[-1].encodings.append(_Encoding())
        elif number == _ENCODING_TYPE and tracks[-1].encodings:
            tracks[-1].encodings[-1].kind = value
        elif number == _ALGORITHM and tracks[-1].encodings:
            tracks[-1].encodings[-1].algorithm = value
    return tracks


def _matroska_elements(file: FileIO) -> Iterator[tuple[int, int]]:
    """Yield number and value of each element, one that is opened before its content, to the end of the tracks.

    An element of unknown length is opened, too: its content is looked at as if it stood beside it.
    """
    position, size = 0, os.fstat(file.fileno()).st_size
    end = size
    while position < end:
        head = os.pread(file.fileno(), 12, position)
        number_length = _vint_length(head)
        length_length = _vint_length(head[number_length:]) if number_length else 0
        if not length_length or number_length > 4:
            return
        number = int.from_bytes(head[:number_length])
        length = int.from_bytes(head[number_length : number_length + length_length]) & ~(1 << 7 * length_length)
        unknown = length == (1 << 7 * length_length) - 1
        position += number_length + length_length
        opened = unknown or number in _OPENED
        yield number, 0 if opened else int.from_bytes(os.pread(file.fileno(), min(length, 8), position))
        if number == _TRACKS and not unknown:
            end = min(size, position + length)
        if not opened:
            position += length


def _vint_length(data: bytes) -> int:
    """How many bytes the number has that `data` begins with, by its first bits; 0 for none (RFC 8794, section 4)."""
    length = 9 - data[0].bit_length() if data else 0
    return length if length <= min(8, len(data)) else 0


def _mp4_boxes(file: FileIO) -> Iterator[bytes]:
    """Yield the name of each box, one that is opened before its content."""
    position, size = 0, os.fstat(file.fileno()).st_size
    while position < size:
        head = os.pread(file.fileno(), 16, position)
        length, kind, before = int.from_bytes(head[:4]), head[4:8], 8
        if length == 1:
            length, before = int.from_bytes(head[8:16]), 16
        yield kind
        if kind in _BOXES:
            position += before + _BOXES[kind]
        elif length >= before:
            position += length
        else:
            return  # it reaches to the end of the file, or is none
