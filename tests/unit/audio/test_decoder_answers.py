"""A decoder that was taken over may answer anything; what is no answer is one kind of error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dictograph.audio.decoder_client import Decoded, DecodeLimits, DecodeProgress, _parsed
from dictograph.child.frames import Frame
from dictograph.errors import DecoderCrashed
from dictograph.transcript import JobWarning

LIMITS = DecodeLimits(max_seconds=60, memory=2**30, quiet_timeout=60)
SUMMARY = {"samples": 16_000, "container": "wav", "codec": "pcm", "warnings": []}


def parsed(header: dict[str, Any]) -> DecodeProgress | Decoded:
    """By way of JSON, as it comes; Python's reads Infinity and NaN."""
    return _parsed(Frame(json.loads(json.dumps(header))), LIMITS)


def test_honest_answers_are_understood() -> None:
    assert parsed({"samples": 60 * 16_000, "duration_hint": None}) == DecodeProgress(60 * 16_000)
    assert parsed({"samples": 0, "duration_hint": 2.5}) == DecodeProgress(0, 2.5)
    warning = {"code": "gap", "message": "silence", "start": 1.0}
    summary = {**SUMMARY, "warnings": [warning]}
    assert parsed({"decoded": summary}) == Decoded(16_000, "wav", "pcm", (JobWarning("gap", "silence", 1.0),))


@pytest.mark.parametrize(
    "samples", [float("inf"), float("nan"), -1, 60 * 16_000 + 1, 10**400, True, 1.5, "1", None, []]
)
def test_samples_are_a_number_within_the_limit(samples: Any) -> None:
    for header in ({"samples": samples}, {"decoded": {**SUMMARY, "samples": samples}}):
        with pytest.raises(DecoderCrashed, match="cannot be understood"):
            parsed(header)


@pytest.mark.parametrize("hint", [float("inf"), float("nan"), -1, 10**400, True, "1", [1]])
def test_seconds_are_a_finite_number(hint: Any) -> None:
    warning = {"code": "gap", "message": "silence", "end": hint}
    for header in ({"samples": 1, "duration_hint": hint}, {"decoded": {**SUMMARY, "warnings": [warning]}}):
        with pytest.raises(DecoderCrashed, match="cannot be understood"):
            parsed(header)


@pytest.mark.parametrize(
    "summary",
    [
        1, "x", [], {"samples": 1}, {**SUMMARY, "container": {}}, {**SUMMARY, "codec": 7}, {**SUMMARY, "warnings": 7},
        {**SUMMARY, "warnings": [{"code": 7, "message": ""}]}, {**SUMMARY, "warnings": [{"message": ""}]},
        {**SUMMARY, "warnings": ["x"]}, {**SUMMARY, "warnings": [{"code": "", "message": "", "other": 1}]},
    ],
)  # fmt: skip
def test_a_summary_has_its_shape(summary: Any) -> None:
    with pytest.raises(DecoderCrashed, match="cannot be understood"):
        parsed({"decoded": summary})
