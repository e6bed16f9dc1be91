"""Small files that ask for much: streams, tags, depth, hours. None costs much, and each ends with its code."""

from __future__ import annotations

from pathlib import Path

import pytest

from dictograph.audio.decoder_client import DecodeLimits
from dictograph.errors import AudioTooLong, CorruptAudio
from tests.hostile import bombs, boxes
from tests.hostile.batch import outcomes
from tests.hostile.seeds import make_seed
from tests.media import RATE, decode_file, ffmpeg, make_tone
from tests.processes import children

LIMITS = DecodeLimits(max_seconds=24 * 3600, memory=512 * 2**20, quiet_timeout=60)
MIB = 2**20

CORRUPT, UNSUPPORTED, DECODED = "corrupt_audio", "unsupported_format", "decoded"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("seeds")
    return {name: make_seed(folder, name) for name in ("aac.m4a", "fast.mp4", "a.flac", "lame.mp3", "mp2.ts")}


def test_more_streams_than_anybody_has(tmp_path: Path, real: dict[str, bytes]) -> None:
    transport = bombs.streams_in_transport(40, 190)
    _all_as_expected(
        tmp_path,
        {
            # Those that FFmpeg has no room for are left out; the first is the one that sounds.
            "10,000 in Matroska": (bombs.streams_in_matroska(10_000), DECODED),
            "10,000 in MP4": (bombs.streams_in_mp4(real["aac.m4a"], 10_000), CORRUPT),
            "10,000 in MP4, index first": (bombs.streams_in_mp4(real["fast.mp4"], 10_000), CORRUPT),
            "7,600 in a transport stream": (transport, CORRUPT),
            "7,600 before a real one": (transport + real["mp2.ts"], CORRUPT),
            "100 in MP4": (bombs.streams_in_mp4(real["aac.m4a"], 100), DECODED),
        },
    )


def test_tags_pictures_and_chapters(tmp_path: Path, real: dict[str, bytes]) -> None:
    text = boxes.id3((b"TIT2", b"\0" + b"a" * (50 * MIB)))
    _all_as_expected(
        tmp_path,
        {
            "a picture of 64 MiB in ID3": (bombs.cover(real["lame.mp3"], 64 * MIB), DECODED),
            "a picture of 16 MB in FLAC": (bombs.picture(real["a.flac"], 16_000_000), DECODED),
            "a picture of 64 MiB attached": (bombs.attachment(64 * MIB), DECODED),
            "a title of 50 MiB": (text + real["lame.mp3"], DECODED),
            "a tag that claims 256 MiB": (boxes.id3(size=2**28 - 1) + real["lame.mp3"], CORRUPT),
            "20,000 chapters": (bombs.chapters(20_000), DECODED),
            "1,000 comments": (bombs.comments(real["a.flac"], 1_000), DECODED),
        },
    )


def test_depth(tmp_path: Path, real: dict[str, bytes]) -> None:
    _all_as_expected(
        tmp_path,
        {
            "20,000 segments, each in one": (bombs.nested_matroska(20_000), CORRUPT),
            "5,000 tags, each in one": (bombs.nested_tags(5_000), DECODED),
            "5,000 boxes, each in one": (bombs.nested_boxes(real["aac.m4a"], 5_000), CORRUPT),
        },
    )


def test_archives_are_not_unpacked(tmp_path: Path) -> None:
    _all_as_expected(
        tmp_path,
        {
            "zip": (bombs.zip_of_silence(10**7), UNSUPPORTED),
            "gzip": (bombs.gzip_of_silence(10**7), UNSUPPORTED),
            "zip behind a tag": (boxes.id3() + bombs.zip_of_silence(10**6), CORRUPT),
        },
    )


def _all_as_expected(folder: Path, files: dict[str, tuple[bytes, str]]) -> None:
    results = outcomes(((name, data) for name, (data, _) in files.items()), folder, LIMITS)
    for result in results:
        assert result.code == files[result.name][1], result
        assert not result.retryable, result
        # All of them hold a second of sound, or none.
        assert result.samples <= 1.1 * RATE, result
        assert result.seconds < 30, result
    assert not children()


@pytest.mark.parametrize("kind", ["matroska", "flac", "id3"])
def test_tags_that_take_too_long_to_read_are_given_up(tmp_path: Path, real: dict[str, bytes], kind: str) -> None:
    """FFmpeg compares each tag with all before it: these would take it a minute, and a hundred times that next year."""
    frames = ((b"TXXX", b"\0%d\0v" % n) for n in range(100_000))
    made = {
        "matroska": lambda: bombs.matroska_tags(100_000),
        "flac": lambda: bombs.comments(real["a.flac"], 100_000),
        "id3": lambda: boxes.id3(*frames) + real["lame.mp3"],
    }
    (tmp_path / "tags").write_bytes(made[kind]())
    with pytest.raises(CorruptAudio, match="more tags") as caught:
        decode_file(tmp_path / "tags", tmp_path, LIMITS, module="tests.hostile.hasty_decoder")
    assert not caught.value.retryable
    assert not children()


@pytest.mark.parametrize(
    ("name", "codec", "seconds"),
    [("a.flac", "flac", 3600), ("a.mkv", "wavpack", 3600), ("a.m4a", "alac", 3600), ("a.webm", "libopus", 240)],
)
def test_silence_in_a_small_file_ends_at_the_limit(tmp_path: Path, name: str, codec: str, seconds: int) -> None:
    file = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", f"anullsrc=r=8000:cl=mono:d={seconds}", "-c:a", codec, "-b:a", "6k", file)
    assert file.stat().st_size < MIB
    half = seconds / 2
    with pytest.raises(AudioTooLong):
        decode_file(file, tmp_path, DecodeLimits(max_seconds=half, memory=256 * MIB, quiet_timeout=60))
    assert (tmp_path / f"{name}.pcm").stat().st_size <= half * RATE * 2


def test_a_stream_among_many_is_still_found(tmp_path: Path) -> None:
    file = make_tone(tmp_path / "a.mkv", 2, *("-map", "0") * 30, "-c:a", "flac")
    assert decode_file(file, tmp_path)[1].size == 2 * RATE
