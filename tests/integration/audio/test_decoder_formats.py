"""Every container that is accepted, there and back: length, pitch, loudness, place."""

from __future__ import annotations

import contextlib
import random
from itertools import pairwise
from pathlib import Path

import pytest

from dictograph.audio.decoder_client import DecodeProgress
from dictograph.errors import CorruptAudio, NoAudioStream, UnsupportedFormat
from tests.media import decode_file, ffmpeg, follow, loudness, make_tone, onset, pitch, tone

#: File name, further arguments of ffmpeg, FFmpeg's name of the container, what is known to be lost or
#: added at an end (s).
FORMATS = [
    ("a.wav", [], "wav", 0.01),
    ("stereo.wav", ["-ac", 2], "wav", 0.01),
    ("mu.wav", ["-c:a", "pcm_mulaw", "-ar", 8000], "wav", 0.01),
    ("adpcm.wav", ["-c:a", "adpcm_ms"], "wav", 0.05),
    ("same.wav", ["-ar", 16000, "-ac", 1], "wav", 0.001),
    ("float.wav", ["-c:a", "pcm_f32le"], "wav", 0.01),
    ("a.w64", [], "w64", 0.01),
    ("a.mp3", [], "mp3", 0.01),
    ("a.mpga", ["-f", "mp2"], "mp3", 0.06),
    ("a.flac", [], "flac", 0.001),
    ("a.m4a", [], "mov", 0.03),
    ("alac.m4a", ["-c:a", "alac"], "mov", 0.01),
    ("a.mp4", [], "mov", 0.03),
    ("a.mov", [], "mov", 0.03),
    ("fragmented.mp4", ["-movflags", "frag_keyframe+empty_moov", "-frag_duration", 500_000], "mov", 0.06),
    ("a.aac", ["-f", "adts"], "aac", 0.06),
    ("a.ogg", [], "ogg", 0.01),
    ("a.opus", ["-c:a", "libopus"], "ogg", 0.01),
    ("flac.ogg", ["-c:a", "flac"], "ogg", 0.01),
    ("a.webm", ["-c:a", "libopus"], "matroska", 0.01),
    ("vorbis.webm", ["-c:a", "libvorbis"], "matroska", 0.06),
    ("a.mkv", ["-c:a", "aac"], "matroska", 0.06),
    ("mp3.mkv", ["-c:a", "libmp3lame"], "matroska", 0.09),
    ("a.mpeg", ["-f", "mpeg"], "mpeg", 0.06),
    ("a.ts", ["-c:a", "aac"], "mpegts", 0.09),
    ("a.wma", [], "asf", 0.12),
    ("a.aiff", [], "aiff", 0.01),
    ("a.caf", [], "caf", 0.01),
    ("a.au", [], "au", 0.01),
    ("a.avi", [], "avi", 0.09),
    ("a.flv", [], "flv", 0.09),
    ("a.ac3", [], "ac3", 0.06),
    ("a.dts", ["-strict", -2, "-c:a", "dca", "-ar", 48_000, "-ac", 2], "dts", 0.06),
    ("a.wv", [], "wv", 0.01),
    ("a.tta", [], "tta", 0.01),
    ("a.voc", ["-ar", 8000], "voc", 0.05),
]


@pytest.mark.parametrize(("name", "arguments", "container", "slack"), FORMATS, ids=[f[0] for f in FORMATS])
def test_there_and_back(tmp_path: Path, name: str, arguments: list[object], container: str, slack: float) -> None:
    # 1 s of silence, 2 s of a tone: the place of its beginning shows whether time is kept.
    ffmpeg(*tone(2), "-af", "adelay=1000:all=1", *arguments, tmp_path / name)
    decoded, samples = decode_file(tmp_path / name, tmp_path)
    assert decoded.container == container
    assert decoded.warnings == ()
    assert abs(samples.size / 16_000 - 3.0) <= slack + 0.001
    assert abs(onset(samples) - 1.0) <= min(slack + 0.01, 0.1)
    assert abs(pitch(samples, 1.3, 2.7) - 440) < 2
    assert 2000 < loudness(samples, 1.3, 2.7) < 4200
    assert loudness(samples, 0.0, 0.8) < 30


def test_broadcast_material(tmp_path: Path) -> None:
    file = tmp_path / "a.mxf"
    picture = ["-f", "lavfi", "-i", "color=c=black:s=720x576:r=25:d=3"]
    ffmpeg(*picture, *tone(3), "-c:v", "mpeg2video", "-c:a", "pcm_s16le", "-ar", 48_000, file)
    decoded, samples = decode_file(file, tmp_path)
    assert (decoded.container, decoded.codec, decoded.warnings) == ("mxf", "pcm_s16le", ())
    assert abs(samples.size / 16_000 - 3.0) < 0.05
    assert abs(pitch(samples, 0.3, 2.7) - 440) < 2


@pytest.mark.parametrize("name", ["a.wv", "a.tta", "a.mxf", "a.dts", "a.voc", "a.caf"])
def test_what_is_cut_off_or_only_begins_well_ends_in_words(tmp_path: Path, name: str) -> None:
    """Half of a file is read and told to be half; noise behind a good beginning is damage, and no crash."""
    picture = ["-f", "lavfi", "-i", "color=c=black:s=720x576:r=25:d=6", "-c:v", "mpeg2video"] if "mxf" in name else []
    ffmpeg(*tone(6), *picture, "-strict", -2, "-ar", 48_000, tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    decoded, samples = decode_file(tmp_path / name, tmp_path)
    assert 1.5 < samples.size / 16_000 < 4.5
    assert decoded.warnings or name in ("a.dts", "a.voc")  # neither states its length
    (tmp_path / name).write_bytes(data[:64] + random.Random(6).randbytes(50_000))
    with contextlib.suppress(CorruptAudio, UnsupportedFormat, NoAudioStream):
        decode_file(tmp_path / name, tmp_path)


def test_amr_narrow_and_wide_band(tmp_path: Path) -> None:
    # ffmpeg has no encoder for them here; any bits are speech of some kind (RFC 4867, section 5.3).
    chance = random.Random(7)
    for magic, frame_type, size in ((b"#!AMR\n", 7, 31), (b"#!AMR-WB\n", 8, 60)):
        frames = b"".join(bytes([frame_type << 3 | 4]) + chance.randbytes(size) for _ in range(100))
        file = tmp_path / f"{size}.amr"
        file.write_bytes(magic + frames)
        decoded, samples = decode_file(file, tmp_path)
        assert decoded.container == "amr"
        assert abs(samples.size / 16_000 - 2.0) < 0.01
        assert loudness(samples, 0, 2) > 10


@pytest.mark.parametrize("name", ["wrong.txt", "wrong.wav", "no-ending"])
def test_the_name_of_a_file_does_not_matter(tmp_path: Path, name: str) -> None:
    make_tone(tmp_path / "a.mp3", 2).rename(tmp_path / name)
    assert decode_file(tmp_path / name, tmp_path)[0].container == "mp3"


def test_cover_art_is_ignored(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x64:duration=0.04", "-frames:v", 1, tmp_path / "cover.png")
    for name in ("a.mp3", "a.m4a", "a.flac"):
        cover = ["-i", tmp_path / "cover.png", "-map", "0:a", "-map", "1:v", "-c:v", "copy"]
        ffmpeg(*tone(2), *cover, "-disposition:v", "attached_pic", tmp_path / name)
        decoded, samples = decode_file(tmp_path / name, tmp_path)
        assert decoded.warnings == ()
        assert abs(samples.size / 16_000 - 2.0) < 0.03


def test_the_best_audio_stream_of_a_video(tmp_path: Path) -> None:
    file = tmp_path / "film.mkv"
    video = ["-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=3"]
    streams = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:a", "aac", "-c:v", "mpeg4"]
    ffmpeg(*video, *tone(3, 300), *tone(3, 900), *streams, "-disposition:a:0", 0, "-disposition:a:1", "default", file)
    _, samples = decode_file(file, tmp_path)
    assert abs(pitch(samples, 0.5, 2.5) - 900) < 2


def test_channels_are_mixed_also_when_nothing_says_where_they_stand(tmp_path: Path) -> None:
    for name, channels in (("three.au", 3), ("five.aiff", 5), ("eight.wav", 8)):
        expressions = "|".join(["0.1*sin(2*PI*500*t)"] * channels)
        ffmpeg("-f", "lavfi", "-i", f"aevalsrc={expressions}:s=44100:d=2", tmp_path / name)
        _, samples = decode_file(tmp_path / name, tmp_path)
        assert abs(pitch(samples, 0.5, 1.5) - 500) < 2
        assert loudness(samples, 0.5, 1.5) > 500


def test_rate_and_channels_that_change_in_the_middle(tmp_path: Path) -> None:
    parts = [(1.0, 440, ["-ar", 44_100, "-ac", 2]), (1.0, 880, ["-ar", 22_050, "-ac", 1]), (1.0, 440, ["-ar", 48_000])]
    joined = b""
    for number, (seconds, frequency, form) in enumerate(parts):
        part = make_tone(tmp_path / f"{number}.aac", seconds, *form, "-f", "adts", frequency=frequency)
        joined += part.read_bytes()
    (tmp_path / "joined.aac").write_bytes(joined)
    _, samples = decode_file(tmp_path / "joined.aac", tmp_path)
    assert abs(samples.size / 16_000 - 3.0) < 0.3
    assert [round(pitch(samples, at, at + 0.5), -1) for at in (0.3, 1.4, 2.4)] == [440, 880, 440]


def test_the_same_bytes_give_the_same_samples_and_news_come_early(tmp_path: Path) -> None:
    file = make_tone(tmp_path / "long.mp3", 150, "-b:a", "32k")
    news, samples = follow(file, tmp_path)
    again = decode_file(file, tmp_path)[1]
    assert samples.tobytes() == again.tobytes()
    assert [item.samples for item in news] == sorted(item.samples for item in news)
    assert 16 * 16_000 <= news[0].samples <= 32 * 16_000
    assert all(b.samples - a.samples <= 32 * 16_000 for a, b in pairwise(news))
    assert isinstance(news[0], DecodeProgress)
    assert news[0].duration_hint == pytest.approx(150, abs=1)
