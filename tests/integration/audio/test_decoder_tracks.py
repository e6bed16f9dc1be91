"""Tracks and channels: what is taken, what is left out and told, and files of samples side by side."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dictograph.audio import pcm
from dictograph.audio.decoder_client import Decoded, channel_file, decode
from dictograph.audio.tracks.selection import Selection
from dictograph.errors import DecodeError, NoSuchChannel, NoSuchTrack, TooManyChannels
from tests.media import LIMITS, ffmpeg, loudness, pitch, span, tone

SILENCE: list[object] = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono"]


def decoded(file: Path, selection: Selection | None = None) -> tuple[Decoded, list[NDArray[np.int16]]]:
    """Return the decoder's summary, and the samples of each of its outputs."""
    target = file.with_suffix(".pcm")

    async def run() -> Decoded:
        last = None
        async for news in decode(file, target, LIMITS, selection=selection or Selection()):
            last = news
        assert isinstance(last, Decoded)
        return last

    summary = asyncio.run(run())
    return summary, [pcm.read(channel_file(target, n), 0, summary.samples) for n in range(summary.outputs)]


def heard(samples: NDArray[np.int16]) -> int:
    return round(pitch(samples, 0.5, 1.5))


@pytest.fixture
def dub(tmp_path: Path) -> Path:
    """A film in German and English, with a third track of three seconds in no language."""
    inputs = [*tone(2, 300), *tone(2, 600), *tone(3, 900)]
    maps = ["-map", 0, "-map", 1, "-map", 2, "-ar", 16_000, "-c:a", "pcm_s16le"]
    tags = ["-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng", "-metadata:s:a:1", "title=Dub"]
    ffmpeg(*inputs, *maps, *tags, tmp_path / "dub.mkv")
    return tmp_path / "dub.mkv"


def test_of_several_tracks_one_is_taken_and_the_others_are_named(dub: Path) -> None:
    summary, (samples,) = decoded(dub)
    assert heard(samples) == 300
    (warning,) = summary.warnings
    assert warning.code == "tracks_left_out"
    assert "3 audio tracks: track 1 (ger) was taken; left out: track 2 (eng, “Dub”), track 3." in warning.message


@pytest.mark.parametrize(("track", "expected"), [("1", 300), ("2", 600), ("3", 900), ("de", 300), ("en", 600)])
def test_a_track_is_chosen_by_its_number_or_language(dub: Path, track: str, expected: int) -> None:
    summary, (samples,) = decoded(dub, Selection(track))
    assert heard(samples) == expected
    assert summary.warnings == ()


@pytest.mark.parametrize("track", ["4", "fr"])
def test_a_track_that_is_not_there_is_refused_and_those_that_are_are_named(dub: Path, track: str) -> None:
    with pytest.raises(NoSuchTrack, match=rf"no audio track {track}\. It has track 1 \(ger\), track 2 \(eng"):
        decoded(dub, Selection(track))


@pytest.mark.parametrize("name", ["each", "all"])
def test_all_tracks_side_by_side_are_of_one_length(dub: Path, name: str) -> None:
    summary, outputs = decoded(dub, Selection(name))
    assert summary.warnings == ()
    assert [heard(samples) for samples in outputs] == [300, 600, 900]
    assert [samples.size for samples in outputs] == [3 * 16_000] * 3
    mixed = pcm.read(pcm.Mixed(tuple(channel_file(dub.with_suffix(".pcm"), n) for n in range(3))), 0, 3 * 16_000)
    assert (mixed == np.sum(outputs, axis=0)).all()


def test_a_first_track_without_sound_gives_way(tmp_path: Path) -> None:
    file = tmp_path / "recorder.mkv"
    ffmpeg(*SILENCE, *tone(3, 500), "-map", 0, "-map", 1, "-c:a", "pcm_s16le", "-t", 3, file)
    summary, (samples,) = decoded(file)
    assert heard(samples) == 500
    (warning,) = summary.warnings
    assert "track 2 was taken; left out: track 1, which is silent" in warning.message


def test_sound_that_comes_later_in_a_track_that_gave_way_is_told(tmp_path: Path) -> None:
    file = tmp_path / "recorder.mkv"
    late = ["-f", "lavfi", "-i", "aevalsrc='0.2*sin(2*PI*400*t)*gte(t,310)':s=8000:d=320"]
    ffmpeg(*late, *tone(320, 500, 8_000), "-map", 0, "-map", 1, "-c:a", "pcm_s16le", file)
    summary, (samples,) = decoded(file)
    assert heard(samples) == 500
    told = {warning.code: warning for warning in summary.warnings}
    assert set(told) == {"tracks_left_out", "sound_left_out"}
    assert told["sound_left_out"].start == pytest.approx(310, abs=0.2)


INVERTED = "pan=stereo|c0=c0|c1=-1*c0"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.wav", []),
        ("float.wav", ["-c:a", "pcm_f32le"]),
        ("double.wav", ["-c:a", "pcm_f64le"]),
        ("bytes.wav", ["-c:a", "pcm_u8"]),
        ("a.flac", []),
        ("a.m4a", ["-b:a", "192k"]),
    ],
)
def test_legs_that_cancel_each_other_are_read_by_one(tmp_path: Path, name: str, arguments: list[object]) -> None:
    file = tmp_path / name
    ffmpeg(*tone(4, 500), "-af", INVERTED, *arguments, file)
    summary, (samples,) = decoded(file)
    assert [warning.code for warning in summary.warnings] == ["channels_cancel"]
    assert loudness(samples, 0.1, 3.8) > 2000
    assert samples.size / 16_000 == pytest.approx(4, abs=0.05)
    assert heard(samples) == 500


def test_only_the_part_that_cancels_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.wav"
    same, inverted = "[0]pan=stereo|c0=c0|c1=c0[a]", f"[1]{INVERTED}[b]"
    graph = f"{same};{inverted};[a][b]concat=n=2:v=0:a=1"
    ffmpeg(*tone(3, 400), *tone(3, 800), "-filter_complex", graph, file)
    summary, (samples,) = decoded(file)
    (warning,) = summary.warnings
    assert list(span(warning)) == pytest.approx([3, 6], abs=0.6)
    assert [loudness(samples, at, at + 0.3) > 2000 for at in (1, 2, 4, 5)] == [True] * 4


def test_two_voices_and_plain_stereo_cancel_nothing(tmp_path: Path) -> None:
    for name, graph in (("same.wav", "pan=stereo|c0=c0|c1=c0"), ("one.wav", "pan=stereo|c0=c0|c1=0*c0")):
        ffmpeg(*tone(3), "-af", graph, tmp_path / name)
        assert decoded(tmp_path / name)[0].warnings == ()
    ffmpeg(*tone(3, 400), *tone(3, 700), "-filter_complex", "join=inputs=2", tmp_path / "two.wav")
    assert decoded(tmp_path / "two.wav")[0].warnings == ()


@pytest.fixture
def call(tmp_path: Path) -> Path:
    """A call: each party on a channel of its own."""
    ffmpeg(*tone(2, 400), *tone(2, 700), "-filter_complex", "join=inputs=2", "-ar", 8_000, tmp_path / "call.wav")
    return tmp_path / "call.wav"


@pytest.mark.parametrize(
    ("channels", "expected"), [("left", [400]), ("right", [700]), ("2", [700]), ("split", [400, 700])]
)
def test_channels_one_by_one(call: Path, channels: str, expected: list[int]) -> None:
    summary, outputs = decoded(call, Selection(channels=channels))
    assert [heard(samples) for samples in outputs] == expected
    assert [samples.size for samples in outputs] == [2 * 16_000] * len(expected)
    assert summary.warnings == ()


def test_a_silent_channel_is_told(tmp_path: Path) -> None:
    ffmpeg(*tone(2), "-af", "pan=stereo|c0=c0|c1=0*c0", tmp_path / "a.wav")
    (warning,) = decoded(tmp_path / "a.wav", Selection(channels="split"))[0].warnings
    assert (warning.code, warning.message) == ("silent_channel", "Channel 2 holds no sound, and was left out.")


@pytest.mark.parametrize(
    ("selection", "error"),
    [
        (Selection(channels="3"), NoSuchChannel),
        (Selection("all", "split"), NoSuchChannel),
        (Selection("2", "split"), NoSuchTrack),
    ],
)
def test_what_is_not_there_is_refused(call: Path, selection: Selection, error: type[DecodeError]) -> None:
    with pytest.raises(error):
        decoded(call, selection)


def test_more_channels_than_eight_are_refused(tmp_path: Path) -> None:
    expressions = "|".join(f"0.1*sin(2*PI*{300 + 100 * n}*t)" for n in range(9))
    for channels in (8, 9):
        sources = "|".join(expressions.split("|")[:channels])
        source = f"aevalsrc='{sources}':s=8000:d=2"
        ffmpeg("-f", "lavfi", "-i", source, tmp_path / f"{channels}.wav")
    assert decoded(tmp_path / "8.wav", Selection(channels="split"))[0].outputs == 8
    with pytest.raises(TooManyChannels, match="9 channels or tracks are more than the 8"):
        decoded(tmp_path / "9.wav", Selection(channels="split"))
