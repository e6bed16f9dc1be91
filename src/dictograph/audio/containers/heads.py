"""Questions about the first bytes of a file: the kind of a file that is no audio, what a broken file was to be."""

from __future__ import annotations

from dictograph.audio.containers.accepted import ACCEPTED

#: Containers whose time line begins at zero; in all others time counts from the first stream.
ZERO_BASED = frozenset({"mov", "matroska"})

#: Containers that store a time with their packets; FLAC's frames carry their own.
STAMPED = ZERO_BASED | frozenset({"ogg", "flac", "mpeg", "mpegts", "asf", "avi", "flv"})

#: The number of bytes from the front of a file that the functions below need.
HEAD_SIZE = 16_384

_UNREAD_AUDIO = (
    (b"MAC ", "Monkey's Audio (APE)"),
    (b"ajkg", "Shorten audio"),
    (b"tBaK", "TAK audio"),
    (b".RMF", "a RealMedia file"),
    (b"MPCK", "Musepack audio"),
    (b"MP+", "Musepack audio"),
    (b"DSD ", "DSD audio (DSF)"),
    (b"FRM8", "DSD audio (DSDIFF)"),
    (b"\x03ds2", "a DSS Pro dictation (DS2)"),
    (b"\x07ds2", "an encrypted DSS Pro dictation (DS2)"),
    (b"MS_VOICE", "a Sony dictation (DVF, MSV)"),
)

_OTHER_KINDS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"MThd", "a MIDI file, notes without sound"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3", "a database"),
)

_PLAYLISTS = ("#EXTM3U", "ffconcat", "[playlist]", "<asx", "<smil", "<MPD", "[Reference]", "<playlist")

_KNOWN_STARTS = (
    (b"ID3", "mp3"),
    (b"RIFF", "wav"),
    (b"RF64", "wav"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FORM", "aiff"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (b"#!AMR", "amr"),
    (b"caff", "caf"),
    (b".snd", "au"),
    (b"FLV\x01", "flv"),
    (b"\x00\x00\x01\xba", "mpeg"),
    (b"wvpk", "wv"),
    (b"TTA1", "tta"),
    (b"\x7f\xfe\x80\x01", "dts"),
    (b"DTSHDHDR", "dtshd"),
    (b"Creative Voice File\x1a", "voc"),
    (b"\x02dss", "dss"),
    (b"\x03dss", "dss"),
    (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", "mxf"),
)

_LENGTH_MARKS = (b"Xing", b"Info", b"VBRI")

#: The sizes that mean "not known yet" in the header of a WAV file that was written to a pipe.
_UNKNOWN_SIZES = frozenset({0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 8})


def main_name(demuxer: str) -> str:
    """Return the first of a demuxer's names: "mov" for "mov,mp4,m4a,3gp,3g2,mj2"."""
    return demuxer.partition(",")[0]


def why_not_audio(head: bytes) -> str | None:
    """Return in words the kind of a file that begins with `head`, if it certainly is no audio; else None."""
    if not head:
        return "The file is empty."
    for start, kind in _UNREAD_AUDIO:
        if head.startswith(start):
            return f"The file is {kind}, which cannot be read. {ACCEPTED}"
    for start, kind in _OTHER_KINDS:
        if head.startswith(start):
            return f"The file is {kind}, not audio. {ACCEPTED}"
    text = _as_text(head)
    return None if text is None else _why_text(text)


def unknown(head: bytes) -> str:
    """Return the message for a file that no accepted format begins like."""
    return f"The file is in no audio or video format that is accepted: it begins with {head[:8].hex(' ')}. {ACCEPTED}"


def known_start(head: bytes) -> str | None:
    """Return the container that the first bytes of `head` announce, if any."""
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "mov"
    return next((name for start, name in _KNOWN_STARTS if head.startswith(start)), None)


def states_length(container: str, head: bytes) -> bool:
    """Return whether the duration that FFmpeg reports comes from a header, and is no estimate from the bit rate.

    `head` is the beginning of the file, after any ID3v2 tag.
    """
    if container == "mp3":
        return any(mark in head[:4096] for mark in _LENGTH_MARKS)
    return container in ("mov", "flac", "w64", "aiff", "caf", "matroska", "tta", "wv", "mxf")


def bytes_missing(head: bytes, size: int) -> int:
    """Return how many bytes a WAV or CAF file of `size` bytes lacks by its header; 0 for any other file."""
    if head[:4] == b"caff":
        return max(0, _end_of_caf(head) - size)
    if head[:4] != b"RIFF":
        return 0
    stated = int.from_bytes(head[4:8], "little")
    return 0 if stated in _UNKNOWN_SIZES else max(0, stated + 8 - size)


def tag_size(head: bytes) -> int:
    """Return the length in bytes of the ID3v2 tag at the front; 0 if there is none (ID3v2.4, section 3.1)."""
    if len(head) < 10 or head[:3] != b"ID3":
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + 10


def _end_of_caf(head: bytes) -> int:
    """Return where the sound of a CAF file ends by its header; 0 if that is not stated, or too far behind."""
    position = 8
    while position + 12 <= len(head):
        name, length = head[position : position + 4], int.from_bytes(head[position + 4 : position + 12], signed=True)
        if length < 0:
            return 0
        position += 12 + length
        if name == b"data":
            return position
    return 0


def _as_text(head: bytes) -> str | None:
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    # The last character may be incomplete.
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if any(ord(c) < 32 and c not in "\t\n\r\f" for c in text) else text
    return None


def _why_text(text: str) -> str:
    opening = text.lstrip("\ufeff \t\r\n")
    if opening.startswith("v=0") and "\nm=" in text:
        return f"The file is a session description (SDP), not audio. {ACCEPTED}"
    if any(opening[:200].lower().startswith(mark.lower()) or mark in opening[:200] for mark in _PLAYLISTS):
        return "The file is a playlist, which only points at audio. Send the audio itself."
    if opening[:15].lower().startswith(("<!doctype html", "<html")):
        return f"The file is a web page, not audio. {ACCEPTED}"
    return f"The file is text, not audio. {ACCEPTED}"
