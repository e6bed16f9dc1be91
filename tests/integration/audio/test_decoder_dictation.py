"""What exchanges and dictation machines store: GSM with and without a container, DSS."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from dictograph.audio.containers.raw_gsm import FRAME_BYTES
from dictograph.errors import CorruptAudio, UnsupportedFormat
from tests.media import decode_file, make_tone, pitch
from tests.needs import need


def sox(*arguments: object) -> None:
    """Run sox; its last argument is the file to make."""
    subprocess.run([need("sox"), *map(str, arguments)], check=True, capture_output=True, timeout=60)


def raw_gsm(folder: Path, seconds: float = 3) -> Path:
    make_tone(folder / "tone.wav", seconds, rate=8_000)
    sox(folder / "tone.wav", "-r", 8000, "-c", 1, folder / "a.gsm")
    return folder / "a.gsm"


def test_raw_gsm_is_known_by_its_content(tmp_path: Path) -> None:
    file = raw_gsm(tmp_path).rename(tmp_path / "no-ending")
    decoded, samples = decode_file(file, tmp_path)
    assert (decoded.container, decoded.codec, decoded.warnings) == ("gsm", "gsm", ())
    assert samples.size == 3 * 16_000
    assert pitch(samples, 0.5, 2.5) == pytest.approx(440, abs=3)


def test_a_second_of_gsm_is_enough_and_a_part_of_a_frame_at_its_end_is_told(tmp_path: Path) -> None:
    file = raw_gsm(tmp_path, 1)
    file.write_bytes(file.read_bytes()[: 10 * FRAME_BYTES + 7])
    decoded, samples = decode_file(file, tmp_path)
    assert samples.size == 10 * 320
    assert [warning.code for warning in decoded.warnings] == ["truncated_audio"]


def test_the_name_of_damaged_gsm_breaks_the_tie(tmp_path: Path) -> None:
    chance = random.Random(3)
    data = bytearray(raw_gsm(tmp_path).read_bytes())
    for frame in range(0, len(data) // FRAME_BYTES, 4):
        data[frame * FRAME_BYTES] = chance.randrange(0xD0)
    (tmp_path / "damaged.gsm").write_bytes(data)
    (tmp_path / "damaged.raw").write_bytes(data)
    assert decode_file(tmp_path / "damaged.gsm", tmp_path, name="Damaged.GSM")[0].container == "gsm"
    with pytest.raises(UnsupportedFormat):
        decode_file(tmp_path / "damaged.raw", tmp_path, name="damaged.raw")


@pytest.mark.parametrize(
    "data",
    [b"\xd5" * 40_000, bytes([0xD0]) + bytes(32), random.Random(5).randbytes(40_000), b"\xd5" * 4096 + bytes(4096)],
    ids=["A-law silence", "one frame", "noise", "silence, then none"],
)
def test_what_only_looks_like_gsm_is_refused_in_words(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "a.raw"
    file.write_bytes(data)
    with pytest.raises(UnsupportedFormat, match=r"begins with [0-9a-f ]+\. Accepted are MP3"):
        decode_file(file, tmp_path)


def test_gsm_of_any_bits_is_decoded_to_something_and_ends(tmp_path: Path) -> None:
    chance = random.Random(8)
    file = tmp_path / "a.gsm"
    file.write_bytes(b"".join(bytes([0xD0 | chance.randrange(16)]) + chance.randbytes(32) for _ in range(500)))
    decoded, samples = decode_file(file, tmp_path)
    assert decoded.container == "gsm"
    assert samples.size == 10 * 16_000


def test_the_byte_that_fills_up_a_chunk_of_wav49_is_no_cut(tmp_path: Path) -> None:
    for frames in range(300, 304):
        make_tone(tmp_path / "tone.wav", frames * 0.02, rate=8_000)
        sox(tmp_path / "tone.wav", "-e", "gsm-full-rate", tmp_path / "wav49.wav")
        decoded, samples = decode_file(tmp_path / "wav49.wav", tmp_path)
        assert decoded.codec == "gsm_ms"
        assert decoded.warnings == ()
        assert samples.size / 16_000 == pytest.approx(frames * 0.02, abs=0.041)


def dss(frames: bytes, codec: int) -> bytes:
    """A dictation of Olympus or Philips: a head of two blocks of 512 bytes, then blocks with 6 of their own."""
    head = bytearray(1024)
    head[:4] = b"\x02dss"
    head[0x26 : 0x26 + 24] = b"200101120000200101120100"
    head[0x2A4] = codec
    blocks = [frames[n : n + 506] for n in range(0, len(frames), 506)]
    return bytes(head) + b"".join(bytes([0, 0, 0xFF, 0, 0xFF, 0xFF]) + block for block in blocks)


def test_dss_is_read(tmp_path: Path) -> None:
    # Nothing here encodes it; any bits are sound of some kind.
    file = tmp_path / "a.dss"
    file.write_bytes(dss(random.Random(2).randbytes(506 * 40), codec=0))
    decoded, samples = decode_file(file, tmp_path)
    assert (decoded.container, decoded.codec) == ("dss", "dss_sp")
    assert samples.size > 5 * 16_000


def test_dss_without_sound_is_corrupt(tmp_path: Path) -> None:
    file = tmp_path / "a.dss"
    file.write_bytes(dss(b"", codec=0))
    with pytest.raises(CorruptAudio):
        decode_file(file, tmp_path)
