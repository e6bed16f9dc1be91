"""Check the answers of an engine before they are used: an engine may be third-party code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dictograph.engine.protocol import SAMPLE_RATE, Window, WindowResult
from dictograph.transcript import Segment, Word

_RESULT = TypeAdapter(WindowResult)


def result_from_dict(shape: Mapping[str, Any]) -> WindowResult:
    """Return a result, each part of the right type. Raises ValueError, which names the first wrong part."""
    try:
        return _RESULT.validate_python(shape)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}") from None


def within(result: WindowResult, window: Window) -> WindowResult:
    """Return the result with all times within the window, and no end before its start."""
    length = len(window.samples) / SAMPLE_RATE
    return replace(result, segments=tuple(_segment_within(segment, length) for segment in result.segments))


def _segment_within(segment: Segment, length: float) -> Segment:
    start, end = _times(segment, length)
    return replace(segment, start=start, end=end, words=tuple(_word_within(word, length) for word in segment.words))


def _word_within(word: Word, length: float) -> Word:
    start, end = _times(word, length)
    return replace(word, start=start, end=end)


def _times(spoken: Segment | Word, length: float) -> tuple[float, float]:
    start = min(max(0.0, spoken.start), length)
    return start, min(max(start, spoken.end), length)
