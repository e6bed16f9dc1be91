"""Sample n is original time n/16000, whatever the container does."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from tests.media import decode_file, ffmpeg, loudness, make_tone, onset, pitch, seconds_of, span, tone

VIDEO = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=5"]


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4", "late.mov", "late.ts", "late.flv"])
def test_audio_that_begins_after_the_picture(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    ffmpeg(
        *VIDEO,
        "-itsoffset",
        2,
        *tone(3),
        "-map",
        "0:v",
        "-map",
        "1:a",
        "-c:v",
        "mpeg4" if name[-1] != "v" else "flv1",
        file,
    )
    decoded, samples = decode_file(file, tmp_path)
    assert decoded.warnings == ()
    assert abs(onset(samples) - 2.0) < 0.1
    assert loudness(samples, 0, 1.85) == 0
    assert abs(samples.size / 16_000 - 5.0) < 0.15


def test_audio_alone_that_begins_late_counts_where_time_begins_at_zero(tmp_path: Path) -> None:
    for name, start in (("a.mkv", 2.0), ("a.mp4", 2.0), ("a.ts", 0.0)):
        ffmpeg("-itsoffset", 2, *tone(3), "-c:a", "aac", tmp_path / name)
        _, samples = decode_file(tmp_path / name, tmp_path)
        assert abs(onset(samples) - start) < 0.1, name


def test_a_cut_from_a_live_stream_begins_at_zero(tmp_path: Path) -> None:
    ffmpeg("-itsoffset", 7 * 3600, *tone(3), "-c:a", "libopus", tmp_path / "live.webm")
    _, samples = decode_file(tmp_path / "live.webm", tmp_path)
    assert onset(samples) < 0.05
    assert abs(samples.size / 16_000 - 3.0) < 0.05


def remux_without(source: Path, target: Path, start: float, end: float) -> None:
    """Copy a file without the packets between two times; the others keep their time stamps."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(audio=0):
            if packet.dts is not None and not start <= seconds_of(packet) < end:
                packet.stream = stream
                new.mux(packet)


@pytest.mark.parametrize("codec", ["aac", "libopus", "libmp3lame", "flac"])
def test_a_gap_becomes_silence_and_what_follows_keeps_its_time(tmp_path: Path, codec: str) -> None:
    whole, broken = tmp_path / "whole.mkv", tmp_path / "broken.mkv"
    ffmpeg(*tone(4, 440), *tone(4, 1000), "-filter_complex", "concat=n=2:v=0:a=1", "-c:a", codec, whole)
    remux_without(whole, broken, 2.0, 6.0)
    decoded, samples = decode_file(broken, tmp_path)
    (warning,) = decoded.warnings
    assert warning.code == "missing_audio"
    start, end = span(warning)
    assert abs(start - 2.0) < 0.15
    assert abs(end - 6.0) < 0.15
    assert abs(samples.size / 16_000 - 8.0) < 0.1
    assert loudness(samples, 0.1, 1.9) > 2000
    assert loudness(samples, 2.2, 5.8) < 1
    assert loudness(samples, 6.2, 7.9) > 2000
    assert abs(pitch(samples, 6.2, 7.9) - 1000) < 2


def test_packets_missing_from_a_transport_stream(tmp_path: Path) -> None:
    whole = make_tone(tmp_path / "whole.ts", 8, "-c:a", "mp2")
    data = whole.read_bytes()
    packets = [data[i : i + 188] for i in range(0, len(data), 188)]
    middle = len(packets) // 2
    (tmp_path / "broken.ts").write_bytes(b"".join(packets[: middle - 60] + packets[middle + 60 :]))
    decoded, samples = decode_file(tmp_path / "broken.ts", tmp_path)
    assert abs(samples.size / 16_000 - 8.0) < 0.1
    damage = [w for w in decoded.warnings if w.code == "damaged_audio"]
    assert len(damage) == 1
    start, end = span(damage[0])
    assert 2.0 < start < end < 6.0
    assert loudness(samples, start + 0.1, end - 0.1) < 500


@pytest.mark.parametrize(
    ("name", "arguments"), [("a.flac", []), ("a.m4a", []), ("a.ogg", []), ("a.mkv", ["-c:a", "flac"])]
)
def test_damage_in_the_middle_is_told_with_its_times(tmp_path: Path, name: str, arguments: list[object]) -> None:
    ffmpeg(*tone(10, 440), *tone(10, 1000), "-filter_complex", "concat=n=2:v=0:a=1", *arguments, tmp_path / name)
    data = bytearray((tmp_path / name).read_bytes())
    middle = len(data) * 35 // 100
    data[middle : middle + 3000] = bytes(i * 151 % 256 for i in range(3000))
    (tmp_path / name).write_bytes(data)
    decoded, samples = decode_file(tmp_path / name, tmp_path)
    assert abs(samples.size / 16_000 - 20.0) < 0.15
    assert abs(pitch(samples, 12, 18) - 1000) < 2
    assert loudness(samples, 10.2, 19.8) > 2000
    damage = [w for w in decoded.warnings if w.code in ("damaged_audio", "missing_audio")]
    assert damage, decoded.warnings
    assert all(2 < start <= end < 12 for start, end in map(span, damage))


def test_what_a_decoder_holds_back_until_the_end_follows(tmp_path: Path) -> None:
    ffmpeg(*tone(3), "-ac", 1, "-c:a", "libopus", "-b:a", "6k", tmp_path / "a.mkv")
    decoded, samples = decode_file(tmp_path / "a.mkv", tmp_path)
    assert decoded.warnings == ()
    assert samples.size == 3 * 16_000


def test_a_click_keeps_its_place_for_ten_minutes(tmp_path: Path) -> None:
    # 44.1 kHz to 16 kHz is no whole number: a rounding that adds up would show.
    file = tmp_path / "long.flac"
    source = "aevalsrc=if(between(t\\,599\\,599.01)\\,0.9\\,0):s=44100:d=600"
    ffmpeg("-f", "lavfi", "-i", source, file)
    _, samples = decode_file(file, tmp_path)
    assert samples.size == 600 * 16_000
    assert abs(onset(samples, 8000) - 599) < 0.001
