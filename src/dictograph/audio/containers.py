"""Which files count as audio: the demuxers and decoders that may run, and the names of other kinds of files.

FFmpeg's demuxers that open further files or URLs (playlists, SDP, concat, image sequences, DASH …)
are not on the list. A playlist under another name is still recognized as a playlist: FFmpeg goes by content, and does
not even get the name of the file.
"""

from __future__ import annotations

#: FFmpeg's names of the demuxers that may open a file. Each reads one file from front to back, and none needs a second
#: file.
DEMUXERS = frozenset(
    [
        *("mp3", "wav", "w64", "flac", "aac", "loas", "ogg", "mov", "matroska", "mpeg", "mpegts"),
        *("amr", "asf", "aiff", "caf", "au", "avi", "flv", "ac3", "eac3"),
    ]
)

#: FFmpeg's names of the decoders that may run. Audio only: pictures are never decoded.
DECODERS = frozenset(
    [
        *("aac", "aac_latm", "aac_fixed", "ac3", "ac3_fixed", "eac3", "alac", "als", "amrnb", "amrwb"),
        *("libopencore_amrnb", "libopencore_amrwb", "dca", "flac", "mp1", "mp1float", "mp2", "mp2float", "mp3"),
        *("mp3float", "mp3adu", "mp3adufloat", "mp3on4", "mp3on4float", "mlp", "truehd", "opus", "libopus"),
        *("vorbis", "libvorbis", "speex", "libspeex", "gsm", "gsm_ms", "libgsm", "libgsm_ms", "ilbc"),
        *("libilbc", "truespeech", "wmav1", "wmav2", "wmapro", "wmalossless", "wmavoice", "mace3", "mace6"),
        *("qdm2", "qdmc", "qcelp", "evrc", "nellymoser", "tta", "wavpack", "adpcm_ms", "adpcm_ima_wav"),
        *("adpcm_ima_qt", "adpcm_yamaha", "adpcm_swf", "adpcm_g722", "g722", "adpcm_g726", "g726", "g726le"),
        *("adpcm_g726le", "g723_1", "g729", "pcm_alaw", "pcm_mulaw", "pcm_bluray", "pcm_dvd", "pcm_lxf"),
        *("pcm_s8", "pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_u16le", "pcm_u16be", "pcm_s16le_planar"),
        *("pcm_s16be_planar", "pcm_s24le", "pcm_s24be", "pcm_u24le", "pcm_u24be", "pcm_s24le_planar"),
        *("pcm_s32le", "pcm_s32be", "pcm_u32le", "pcm_u32be", "pcm_s32le_planar", "pcm_s64le", "pcm_s64be"),
        *("pcm_f16le", "pcm_f24le", "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be"),
    ]
)

#: Containers whose time line begins at zero; in all others time counts from the first stream.
ZERO_BASED = frozenset({"mov", "matroska"})

#: Containers that store a time with their packets; FLAC's frames carry their own.
STAMPED = ZERO_BASED | frozenset({"ogg", "flac", "mpeg", "mpegts", "asf", "avi", "flv"})

#: The number of bytes from the front of a file that the functions below need.
HEAD_SIZE = 16_384

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
    for start, kind in _OTHER_KINDS:
        if head.startswith(start):
            return f"The file is {kind}, not audio."
    text = _as_text(head)
    if text is None:
        return None
    opening = text.lstrip("\ufeff \t\r\n")
    if opening.startswith("v=0") and "\nm=" in text:
        return "The file is a session description (SDP), not audio."
    if any(opening[:200].lower().startswith(mark.lower()) or mark in opening[:200] for mark in _PLAYLISTS):
        return "The file is a playlist, which only points at audio. Send the audio itself."
    if opening[:15].lower().startswith(("<!doctype html", "<html")):
        return "The file is a web page, not audio."
    return "The file is text, not audio."


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
    return container in ("mov", "flac", "w64", "aiff", "caf", "matroska")


def bytes_missing(head: bytes, size: int) -> int:
    """Return how many bytes a WAV file of `size` bytes lacks according to its header; 0 for any other file."""
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
