"""Files that are broken, lie, or try to make the decoder open something else."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import pytest

from dictograph.audio.decoder_client import DecodeLimits
from dictograph.errors import AudioTooLong, CorruptAudio, DecodeError, NoAudioStream, UnsupportedFormat
from tests.media import decode_file, ffmpeg, loudness, make_tone, tone
from tests.processes import children

SHORT = DecodeLimits(max_seconds=5, memory=2**30, quiet_timeout=60)


def refusal(file: Path, folder: Path, limits: DecodeLimits | None = None) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode_file(file, folder, limits or DecodeLimits(3600, 2**30, 60))
    assert not children()
    return caught.value


def test_text_nothing_and_noise(tmp_path: Path) -> None:
    for content, kind, words in (
        (b"Dear Sir or Madam,\n" * 500, UnsupportedFormat, "text"),
        (b"", UnsupportedFormat, "empty"),
        (b"\x00" * 100_000, DecodeError, ""),
        (bytes(i * i % 251 for i in range(100_000)), DecodeError, ""),
        (b"RIFF\xff\xff\x00\x00WAVEfmt \x10\x00", CorruptAudio, "wav"),
        (b"OggS" + b"\x00" * 5000, CorruptAudio, ""),
        (b"%PDF-1.4\n%\xe2\xe3", UnsupportedFormat, "PDF"),
    ):
        file = tmp_path / "speech.mp3"
        file.write_bytes(content)
        error = refusal(file, tmp_path)
        assert isinstance(error, kind)
        assert words in error.message
        assert not error.retryable


def test_a_picture_without_sound(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv"):
        ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=2", tmp_path / name)
        assert isinstance(refusal(tmp_path / name, tmp_path), NoAudioStream)


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{secret}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{secret}'\n",
    "sdp": "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5004 RTP/AVP 0\r\n",
    "asx": '<asx version="3.0"><entry><ref href="{secret}"/></entry></asx>',
    "dash": '<?xml version="1.0"?><MPD type="static"><Period><AdaptationSet><BaseURL>{secret}</BaseURL>'
    "</AdaptationSet></Period></MPD>",
    "pls": "[playlist]\nFile1={secret}\nNumberOfEntries=1\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize(
    "disguise", [b"", b"\x00\x01", b"ID3\x04\x00\x00\x00\x00\x00\x00"], ids=["plain", "binary", "id3"]
)
def test_a_playlist_under_the_name_of_audio_opens_nothing(tmp_path: Path, kind: str, disguise: bytes) -> None:
    secret = make_tone(tmp_path / "secret.wav", 3)
    file = tmp_path / "speech.mp3"
    file.write_bytes(disguise + PLAYLISTS[kind].format(secret=secret).encode() + disguise)
    refusal(file, tmp_path)


def test_a_quicktime_reference_to_another_file_is_not_followed(tmp_path: Path) -> None:
    secret = make_tone(tmp_path / "secret.wav", 3, "-ar", 16_000)
    movie = make_tone(tmp_path / "movie.mov", 3, "-c:a", "pcm_s16le", "-ar", 16_000)
    data = movie.read_bytes()
    own = data.index(b"dinf")
    reference = b"url \x00\x00\x00\x00" + b"file://" + str(secret).encode() + b"\x00"
    dref = (
        struct.pack(">I4sII", 16 + 4 + len(reference), b"dref", 0, 1)
        + struct.pack(">I", 4 + len(reference))
        + reference
    )
    size = struct.unpack(">I", data[own - 4 : own])[0]
    pointing = data[: own - 4] + struct.pack(">I4s", 8 + len(dref), b"dinf") + dref + data[own - 4 + size :]
    grown = len(pointing) - len(data)
    patched = bytearray(pointing)
    for box in (b"moov", b"trak", b"mdia", b"minf"):
        at = patched.index(box) - 4
        patched[at : at + 4] = struct.pack(">I", struct.unpack(">I", patched[at : at + 4])[0] + grown)
    # The samples in the file itself become silence: any sound would come from the other file.
    media = patched.index(b"mdat") + 4
    patched[media : media + 3 * 32_000] = bytes(3 * 32_000)
    movie.write_bytes(patched)
    try:
        _, samples = decode_file(movie, tmp_path)
    except DecodeError:
        return
    assert loudness(samples, 0, 3) == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("a.mp3", []), ("a.wav", []), ("a.flac", []), ("a.m4a", ["-movflags", "faststart"]), ("a.mkv", ["-c:a", "aac"])],
)
def test_a_file_that_is_cut_off_gives_what_is_there(tmp_path: Path, name: str, arguments: list[object]) -> None:
    file = make_tone(tmp_path / name, 20, *arguments)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    decoded, samples = decode_file(file, tmp_path)
    assert 8 < samples.size / 16_000 < 12
    assert loudness(samples, 1, 7) > 2000
    early = [w for w in decoded.warnings if w.code == "truncated_audio"]
    assert len(early) == 1
    assert early[0].start == pytest.approx(samples.size / 16_000, abs=0.01)


def test_a_movie_without_its_index_is_corrupt(tmp_path: Path) -> None:
    file = make_tone(tmp_path / "a.m4a", 20)
    file.write_bytes(file.read_bytes()[:20_000])
    assert isinstance(refusal(file, tmp_path), CorruptAudio)


def test_a_header_that_lies_about_its_length(tmp_path: Path) -> None:
    file = make_tone(tmp_path / "a.wav", 2, "-ar", 16_000)
    data = bytearray(file.read_bytes())
    at = data.index(b"data")
    data[at + 4 : at + 8] = struct.pack("<I", 0x7FFF0000)
    data[4:8] = struct.pack("<I", 0x7FFF0000 + 36)
    file.write_bytes(data)
    decoded, samples = decode_file(file, tmp_path, SHORT)
    assert samples.size == 2 * 16_000
    assert [w.code for w in decoded.warnings] == ["truncated_audio"]


def test_the_limit_is_on_decoded_samples(tmp_path: Path) -> None:
    assert decode_file(make_tone(tmp_path / "five.flac", 5), tmp_path, SHORT)[1].size == 5 * 16_000
    long = make_tone(tmp_path / "six.flac", 6)
    data = bytearray(long.read_bytes())
    # STREAMINFO's 36 bits of total samples: "unknown", so nothing announces what is to come.
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    long.write_bytes(data)
    assert isinstance(refusal(long, tmp_path, SHORT), AudioTooLong)


def test_silence_that_is_filled_in_counts_too(tmp_path: Path) -> None:
    ffmpeg("-itsoffset", 600, *tone(1), tmp_path / "late.mkv")
    assert isinstance(refusal(tmp_path / "late.mkv", tmp_path, SHORT), AudioTooLong)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = {}
    for minutes in (10, 120):
        file = tmp_path / f"{minutes}.flac"
        ffmpeg("-f", "lavfi", "-i", f"anullsrc=r=16000:cl=mono:d={minutes * 60}", file)
        peaks[minutes] = _peak_memory(file, tmp_path)
    assert peaks[120] < peaks[10] + 8 * 2**20


def _peak_memory(file: Path, folder: Path) -> int:
    """The decoder's peak of resident memory in bytes, told by the kernel when it ends."""
    decoded, _ = decode_file(file, folder, DecodeLimits(10_000, 2**30, 60), module="tests.children.measured_decoder")
    return int(decoded.codec)


def test_a_wave_file_without_a_single_sample_is_corrupt(tmp_path: Path) -> None:
    file = tmp_path / "none.wav"
    with wave.open(str(file), "wb") as empty:
        empty.setnchannels(1)
        empty.setsampwidth(2)
        empty.setframerate(16_000)
    assert isinstance(refusal(file, tmp_path), CorruptAudio)


def test_a_form_that_nothing_can_convert_is_the_fault_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "wide.wav"
    channels, data = 255, bytes(255 * 2 * 1000)
    form = struct.pack("<HHIIHH", 1, channels, 16_000, 16_000 * channels * 2, channels * 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    file.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    assert isinstance(refusal(file, tmp_path), CorruptAudio)


def test_a_chunk_that_ends_beyond_every_file_stops_nothing(tmp_path: Path) -> None:
    file = make_tone(tmp_path / "a.caf", 2)
    data = file.read_bytes()
    at = data.index(b"desc") + 12 + 32
    file.write_bytes(data[:at] + b"free" + struct.pack(">q", 2**62) + data[at:])
    _, samples = decode_file(file, tmp_path)
    assert samples.size == 2 * 16_000
