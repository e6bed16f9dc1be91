"""Headers that lie: what is there is decoded, nothing is believed, and no lie makes the decoder work for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dictograph.audio.decoder_client import DecodeLimits
from tests.hostile import false_headers
from tests.hostile.batch import Outcome, outcomes
from tests.hostile.seeds import make_seed
from tests.media import RATE
from tests.processes import children

LIMITS = DecodeLimits(max_seconds=24 * 3600, memory=512 * 2**20, quiet_timeout=30)

#: Those whose honest beginning is made by ffmpeg: how, and which.
FROM_REAL: dict[str, tuple[Callable[[bytes], Mapping[str, tuple[bytes, false_headers.Expected]]], str]] = {
    "flac": (false_headers.flacs, "a.flac"),
    "ogg": (false_headers.oggs, "opus.ogg"),
    "mp4": (false_headers.movies, "aac.m4a"),
    "mp3": (false_headers.mp3s, "lame.mp3"),
}
BY_HAND = {"wav": false_headers.WAVES, "aiff": false_headers.AIFFS, "matroska": false_headers.MATROSKAS}


@pytest.mark.parametrize("kind", BY_HAND)
def test_a_file_made_by_hand(tmp_path: Path, kind: str) -> None:
    _all_as_expected(tmp_path, BY_HAND[kind])


@pytest.mark.parametrize("kind", FROM_REAL)
def test_a_real_file_whose_header_was_changed(tmp_path: Path, kind: str) -> None:
    change, name = FROM_REAL[kind]
    _all_as_expected(tmp_path, change(make_seed(tmp_path, name)))


def _all_as_expected(folder: Path, files: Mapping[str, tuple[bytes, false_headers.Expected]]) -> None:
    results = outcomes(((name, data) for name, (data, _) in files.items()), folder, LIMITS)
    for result in results:
        data, expected = files[result.name]
        assert _is(result, expected), result
        assert not result.retryable, result
        assert result.seconds < 20, result
        # Silence is a hole in the file of samples: it takes no room.
        assert result.room < 20 * len(data) + 2**18, result
    assert len(results) == len(files)
    assert not children()


def _is(result: Outcome, expected: false_headers.Expected) -> bool:
    if isinstance(expected, str):
        return result.code == expected
    return result.code == "decoded" and expected[0] <= result.samples / RATE <= expected[1]
