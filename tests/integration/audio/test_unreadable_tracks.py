"""Sound that is stored encrypted, or compressed in a way that FFmpeg does not undo, is refused and is never noise."""

from __future__ import annotations

import bz2
import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream

from dictograph.errors import UnsupportedFormat
from tests.hostile.batch import outcomes
from tests.hostile.boxes import EBML, RATE, cluster, element, matroska, number, tone, track
from tests.media import LIMITS, decode_file

SOUND = tone(2)
PIECES = [SOUND[at : at + 3200] for at in range(0, len(SOUND), 3200)]

#: A key and its name, for FFmpeg's encryption of MP4 (ISO/IEC 23001-7).
CENC = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}

#: The objects in an ASF header that tell of encryption, by Microsoft's names for them.
CONTENT_ENCRYPTION = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
EXTENDED_CONTENT_ENCRYPTION = bytes.fromhex("14e68a292226174cb935dae07ee9289c")


def encodings(*each: bytes) -> bytes:
    return element(b"\x6d\x80", *(element(b"\x62\x40", one) for one in each))


def compressed(algorithm: int, *settings: bytes) -> bytes:
    return element(b"\x50\x34", element(b"\x42\x54", number(algorithm)), *settings)


def encrypted(*key: bytes) -> bytes:
    crypt = element(b"\x47\xe1", number(5)), *(element(b"\x47\xe2", name) for name in key)
    return element(b"\x50\x33", number(1)) + element(b"\x50\x35", *crypt)


def recording(done: bytes, do: Callable[[bytes], bytes], *, late: bool = False) -> bytes:
    """A Matroska file to whose blocks `do` was done; its tracks are at the front, or `late` behind the sound."""
    clusters = [cluster(100 * at, do(piece)) for at, piece in enumerate(PIECES)]
    tracks = track(1, encodings=done)
    if not late:
        return matroska(clusters, tracks=tracks)
    listed = element(b"\x16\x54\xae\x6b", tracks)
    body = index(0) + b"".join(clusters)
    return EBML + element(b"\x18\x53\x80\x67", index(len(body)), *clusters, listed)


def index(position: int) -> bytes:
    """Matroska's list of what lies where: the tracks so many bytes behind it."""
    where = element(b"\x53\xac", position.to_bytes(8))
    return element(b"\x11\x4d\x9b\x74", element(b"\x4d\xbb", element(b"\x53\xab", b"\x16\x54\xae\x6b"), where))


def lzo(data: bytes) -> bytes:
    """LZO1X without any compression: one run as it is, and the end."""
    more, rest = divmod(len(data) - 18, 255)
    return bytes(1 + more) + bytes([rest]) + data + b"\x11\0\0"


def scramble(data: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in data)


READ: dict[str, tuple[bytes, Callable[[bytes], bytes]]] = {
    "plain": (b"", bytes),
    "zlib": (encodings(compressed(0)), zlib.compress),
    "zlib, since nothing is said": (encodings(b""), zlib.compress),
    "lzo": (encodings(compressed(2)), lzo),
    "headers left out": (encodings(compressed(3, element(b"\x42\x55", PIECES[0][:2]))), lambda data: data[2:]),
}

REFUSED: dict[str, tuple[bytes, Callable[[bytes], bytes], str]] = {
    "bz2": (encodings(compressed(1)), bz2.compress, "bz2"),
    "an algorithm that does not exist": (encodings(compressed(9)), scramble, "algorithm 9"),
    "two": (encodings(compressed(0), compressed(0)), lambda data: zlib.compress(zlib.compress(data)), "several"),
    "encrypted": (encodings(encrypted(b"0123456789abcdef")), scramble, "ContentEncryption"),
    "encrypted without a key's name": (encodings(encrypted()), scramble, "ContentEncryption"),
    "encrypted and compressed": (encodings(encrypted(b"key"), compressed(0)), scramble, "ContentEncryption"),
}


@pytest.mark.parametrize("how", READ)
def test_matroska_blocks_that_ffmpeg_can_unpack(tmp_path: Path, how: str) -> None:
    done, do = READ[how]
    pieces = [piece for piece in PIECES if how != "headers left out" or piece[:2] == PIECES[0][:2]]
    assert len(pieces) > 1
    (tmp_path / "a.mka").write_bytes(
        matroska([cluster(100 * at, do(one)) for at, one in enumerate(pieces)], tracks=track(1, encodings=done))
    )
    _, samples = decode_file(tmp_path / "a.mka", tmp_path)
    assert samples.tobytes() == b"".join(pieces)


def test_matroska_blocks_that_would_be_noise(tmp_path: Path) -> None:
    refused(
        tmp_path,
        {
            f"{how}, tracks {'last' if late else 'first'}": (recording(done, do, late=late), words)
            for how, (done, do, words) in REFUSED.items()
            for late in (False, True)
        },
    )


def test_a_live_recording_whose_lengths_are_unknown(tmp_path: Path) -> None:
    data = recording(encodings(compressed(1)), bz2.compress)
    for opened in (b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"):
        at = data.index(opened) + 4
        data = data[:at] + b"\x01" + b"\xff" * 7 + data[at + 8 :]
    refused(tmp_path, {"live": (data, "bz2")})


def test_an_encrypted_mp4(tmp_path: Path) -> None:
    plain = encoded("mp4", "aac")
    at = plain.index(b"mp4a", plain.index(b"stsd"))
    shops = {kind: (plain[:at] + kind.encode() + plain[at + 4 :], kind) for kind in ("drms", "aavd", "aaxc")}
    fragments = {"movflags": "frag_keyframe+empty_moov"}
    whole = {
        "whole": (encoded("mp4", "aac", CENC), "enca"),
        "in fragments": (encoded("mp4", "aac", CENC | fragments), "enca"),
    }
    refused(tmp_path, shops | whole)


def test_a_protected_wma(tmp_path: Path) -> None:
    data = encoded("asf", "wmav2")
    fields = b"".join(struct.pack("<I", len(one)) + one for one in (b"data", b"DRM\0", b"key\0", b"http://x\0"))
    secret = struct.pack("<I", 4) + b"data"
    refused(
        tmp_path,
        {
            "content encryption": (with_header_object(data, CONTENT_ENCRYPTION, fields), "DRM"),
            "extended content encryption": (with_header_object(data, EXTENDED_CONTENT_ENCRYPTION, secret), "DRM"),
        },
    )


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("asf", "wmav2")])
def test_the_same_without_encryption_is_read(tmp_path: Path, container: str, codec: str) -> None:
    (tmp_path / "a").write_bytes(encoded(container, codec))
    assert decode_file(tmp_path / "a", tmp_path)[1].size > RATE


def refused(folder: Path, files: Mapping[str, tuple[bytes, str]]) -> None:
    """See that each file is refused with these words."""
    results = outcomes(((name, data) for name, (data, _) in files.items()), folder, LIMITS)
    assert len(results) == len(files)
    wrong = [(r.name, r.code, r.detail) for r in results if files[r.name][1] not in r.detail]
    assert not wrong
    assert {result.code for result in results} == {UnsupportedFormat.code}


def with_header_object(data: bytes, kind: bytes, body: bytes) -> bytes:
    """An ASF file with one more object in its header."""
    more = kind + struct.pack("<Q", 24 + len(body)) + body
    size, count = struct.unpack("<QI", data[16:28])
    return data[:16] + struct.pack("<QI", size + len(more), count + 1) + data[28:30] + more + data[30:]


def encoded(container: str, codec: str, options: dict[str, str] | None = None) -> bytes:
    """Two seconds of the tone."""
    target = io.BytesIO()
    with av.open(target, "w", format=container, options=options or {}) as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono", bit_rate=48_000)
        assert isinstance(stream, AudioStream)
        samples = np.frombuffer(SOUND, "<i2").astype("f4")[None] / 32_768
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for source in (frame, None):
            output.mux(stream.encode(source))
    return target.getvalue()
