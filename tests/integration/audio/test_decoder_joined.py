"""Nothing of a file is left out without a word: files joined byte by byte, stamps that lie, headers that are stale."""

from __future__ import annotations

import random
from pathlib import Path

import av
import pytest

from tests.media import decode_file, ffmpeg, make_tone, pitch, seconds_of, span, tone


def join(folder: Path, name: str, seconds: float, pitches: list[int], *arguments: object) -> Path:
    """A file for each pitch, and all of them one behind the other, as `cat` does it."""
    parts = [make_tone(folder / f"{n}-{name}", seconds, *arguments, frequency=n) for n in pitches]
    joined = folder / name
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    return joined


@pytest.mark.parametrize(
    ("name", "seconds", "arguments"),
    [
        ("a.opus", 0.4, ["-c:a", "libopus"]),
        ("aac.ts", 0.4, ["-c:a", "aac"]),
        ("mp2.ts", 0.8, ["-c:a", "mp2"]),
        ("a.flac", 0.8, []),
    ],
)
def test_short_pieces_joined_are_all_heard(tmp_path: Path, name: str, seconds: float, arguments: list[object]) -> None:
    pitches = [400, 800, 1200, 1600]
    _, samples = decode_file(join(tmp_path, name, seconds, pitches, *arguments), tmp_path)
    each = samples.size / 16_000 / len(pitches)
    assert seconds <= each < seconds + 0.06
    heard = [pitch(samples, n * each + 0.1, n * each + 0.3) for n in range(len(pitches))]
    assert heard == pytest.approx(pitches, abs=10)


def late(source: Path, target: Path, numbers: range, seconds: float) -> None:
    """Copy a file; the packets of these numbers are stamped so much later."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for number, packet in enumerate(old.demux(audio=0)):
            if packet.dts is not None:
                begin = seconds_of(packet) + (seconds if number in numbers else 0)
                packet.pts = round(begin / packet.time_base)
                packet.stream = stream
                new.mux(packet)


def test_one_late_stamp_loses_nothing(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.mkv", 2, "-c:a", "pcm_s16le", rate=16_000)
    late(source, tmp_path / "late.mkv", range(6, 7), 0.1)
    right, wrong = (decode_file(file, tmp_path) for file in (source, tmp_path / "late.mkv"))
    assert wrong[0].warnings == ()
    assert (wrong[1] == right[1]).all()


def test_audio_that_is_left_out_since_it_overlaps_is_told(tmp_path: Path) -> None:
    source = make_tone(tmp_path / "a.mkv", 3, "-c:a", "pcm_s16le", rate=16_000)
    late(source, tmp_path / "back.mkv", range(20), 0.5)
    decoded, samples = decode_file(tmp_path / "back.mkv", tmp_path)
    (warning,) = decoded.warnings
    assert warning.code == "overlapping_audio"
    start, end = span(warning)
    assert end - start == pytest.approx(0.5, abs=0.01)
    assert samples.size == 3 * 16_000


@pytest.mark.parametrize(
    ("name", "arguments", "heard"),
    [
        ("a.wav", [], 1),
        ("a.flv", [], 1),
        ("a.mp4", [], 1),
        ("a.webm", ["-c:a", "libopus"], 2),
    ],
)
def test_files_of_which_a_part_is_not_read_say_so(
    tmp_path: Path, name: str, arguments: list[object], heard: int
) -> None:
    decoded, samples = decode_file(join(tmp_path, name, 2, [400, 800, 1200], *arguments), tmp_path)
    assert samples.size / 16_000 == pytest.approx(2 * heard, abs=0.1)
    (warning,) = [w for w in decoded.warnings if w.code == "unread_data"]
    assert warning.start == pytest.approx(samples.size / 16_000, abs=0.1)


@pytest.mark.parametrize("arguments", [[], ["-c:a", "adpcm_ms"]])
def test_what_a_stale_header_leaves_out_is_heard(tmp_path: Path, arguments: list[object]) -> None:
    """As a recorder leaves it that lost its power: the header is from 2 s, the sound goes on."""
    file = tmp_path / "a.wav"
    ffmpeg(*tone(2, 400), *tone(3, 1200), "-filter_complex", "concat=n=2:v=0:a=1", *arguments, file)
    data = bytearray(file.read_bytes())
    place = data.index(b"data") + 8
    stated = (len(data) - place) * 2 // 5 // 4096 * 4096
    data[place - 4 : place] = stated.to_bytes(4, "little")
    data[4:8] = (place + stated - 8).to_bytes(4, "little")
    file.write_bytes(data)
    decoded, samples = decode_file(file, tmp_path)
    assert [w.code for w in decoded.warnings] == ["header_ignored"]
    assert samples.size / 16_000 == pytest.approx(5, abs=0.05)
    assert pitch(samples, 2.5, 4.5) == pytest.approx(1200, abs=5)


METADATA = random.Random(4).randbytes(2**17)


def chunk(name: bytes, size: int) -> bytes:
    return name + size.to_bytes(4, "little") + METADATA


@pytest.mark.parametrize(
    "behind",
    [
        chunk(b"id3 ", len(METADATA)),
        b"ID3\x03\x00\x00\x00\x40\x00\x00" + METADATA,
        b"RIFFish!" + bytes(100),
        chunk(b"id3 ", len(METADATA) + 8),
        chunk(b"LIST", 2 * len(METADATA)),
        b"\0\0" + chunk(b"bext", len(METADATA)),
        bytes(2**17),
        b"\xff" * 2**17,
    ],
    ids=["chunk", "tag", "odd", "size wrong", "cut off", "after zeros", "zeros", "ones"],
)
def test_tags_and_chunks_behind_the_sound_are_none(tmp_path: Path, behind: bytes) -> None:
    file = make_tone(tmp_path / "a.wav", 2)
    file.write_bytes(file.read_bytes() + behind)
    decoded, samples = decode_file(file, tmp_path)
    assert decoded.warnings == ()
    assert samples.size == 2 * 16_000


def test_a_picture_behind_the_sound_is_no_sound(tmp_path: Path) -> None:
    picture = tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=s=256x256,geq=random(1)*255:128:128", "-frames:v", 1, picture)
    file = tmp_path / "a.aiff"
    ffmpeg(*tone(2, 400), "-i", picture, "-map", 0, "-map", 1, "-c:v", "copy", "-write_id3v2", 1, file)
    decoded, _ = decode_file(file, tmp_path)
    assert decoded.warnings == ()
