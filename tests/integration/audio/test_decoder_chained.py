"""Chained Ogg: whole files, one behind the other, each with a codec, a rate and channels of its own."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.media import decode_file, make_tone, pitch

#: The forms of links: name, arguments of ffmpeg.
VORBIS = ("vorbis.ogg", ["-c:a", "libvorbis", "-ar", 44_100, "-ac", 2])
NARROW = ("narrow.ogg", ["-c:a", "libvorbis", "-ar", 22_050, "-ac", 1])
OPUS = ("opus.ogg", ["-c:a", "libopus", "-ar", 48_000, "-ac", 1])
FLAC = ("flac.ogg", ["-c:a", "flac", "-ar", 8_000, "-ac", 1])
SPEEX = ("speex.ogg", ["-c:a", "libspeex", "-ar", 16_000, "-ac", 1])


def link(folder: Path, form: tuple[str, list[object]], frequency: int, seconds: float = 2) -> bytes:
    return make_tone(folder / form[0], seconds, *form[1], frequency=frequency).read_bytes()


@pytest.mark.parametrize(
    "forms",
    [(VORBIS, NARROW), (NARROW, VORBIS, NARROW), (OPUS, VORBIS, FLAC), (FLAC, OPUS), (SPEEX, VORBIS), (OPUS, OPUS)],
    ids=lambda forms: "+".join(form[0].removesuffix(".ogg") for form in forms),
)
def test_every_link_is_read_to_the_end(tmp_path: Path, forms: tuple[tuple[str, list[object]], ...]) -> None:
    file = tmp_path / "chained.ogg"
    pitches = [440, 880, 1320][: len(forms)]
    file.write_bytes(b"".join(link(tmp_path, form, n) for form, n in zip(forms, pitches, strict=True)))
    decoded, samples = decode_file(file, tmp_path)
    assert decoded.warnings == ()
    assert samples.size / 16_000 == pytest.approx(2 * len(forms), abs=0.1)
    heard = [pitch(samples, 2 * n + 0.3, 2 * n + 1.7) for n in range(len(forms))]
    assert heard == pytest.approx(pitches, abs=5)


def test_a_link_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "chained.ogg"
    broken = b"OggS\x00\x02" + bytes(20) + b"\x01\x20" + random.Random(1).randbytes(40_000)
    file.write_bytes(link(tmp_path, VORBIS, 440) + broken)
    decoded, samples = decode_file(file, tmp_path)
    assert [warning.code for warning in decoded.warnings] == ["unread_data"]
    assert samples.size / 16_000 == pytest.approx(2, abs=0.05)


def test_many_short_links_take_no_time_to_find(tmp_path: Path) -> None:
    file = tmp_path / "radio.ogg"
    file.write_bytes(b"".join(link(tmp_path, form, 440, 0.5) for form in (VORBIS, OPUS)) * 100)
    decoded, samples = decode_file(file, tmp_path)
    assert decoded.warnings == ()
    assert samples.size / 16_000 == pytest.approx(100, abs=2)
