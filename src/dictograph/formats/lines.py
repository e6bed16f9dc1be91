"""Shared parts of the line-based formats: text that stays on one line, and times that stay in order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from dictograph.transcript import Segment

# All characters that some reader treats as the end of a line or of a field, or refuses. The no-break spaces are not
# among them: French typography needs them.
_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Cue:
    """A line of text with its times in whole milliseconds; `end` is always after `start`."""

    start: int
    end: int
    text: str


def encodable(text: str) -> str:
    """Return the text in a form that UTF-8 can encode: half a surrogate pair becomes U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return the text on one line, without tabs and control characters, with single spaces."""
    return _BREAKS.sub(" ", encodable(text)).strip(" ")


def cues(segments: Iterable[Segment]) -> Iterator[Cue]:
    """Yield the segments that have text, in order of time. None overlaps the next, and none has zero length."""
    waiting: Cue | None = None
    for segment in segments:
        if not (text := one_line(segment.text)):
            continue
        start = max(_milliseconds(segment.start), 0)
        if waiting is not None:
            start = max(start, waiting.start + 1)
            yield replace(waiting, end=min(waiting.end, start))
        waiting = Cue(start, max(_milliseconds(segment.end), start + 1), text)
    if waiting is not None:
        yield waiting


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
