"""Hold words against the speech that was detected: which speech has no words?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: A part of the speech, from its start to its end, in seconds.
TimeSpan = tuple[float, float]

#: Speech without words counts when it is longer than this. In 105 windows of recorded people no gap above 0.8 s was
#: left where nothing was left out (docs/explanation/windows.md, "Speech without words").
LEAST_S = 1.0

#: A word covers this much of the sound on both sides: times of words are cut down to their loudest part.
_MARGIN_S = 0.3


def uncovered(spans: Iterable[TimeSpan], words: Iterable[TimeSpan], least: float = LEAST_S) -> list[TimeSpan]:
    """Return the parts of the speech, each longer than `least` seconds, in which no word is.

    Pauses between two spans of speech do not count; both lists are in order of their starts.
    """
    covering = list(words)
    left = [part for span in spans for part in _without(span, covering)]
    return [part for part in left if part[1] - part[0] > least]


def seconds(spans: Iterable[TimeSpan]) -> float:
    """Return the sum of the lengths."""
    return sum(end - start for start, end in spans)


def _without(span: TimeSpan, words: Sequence[TimeSpan]) -> Iterable[TimeSpan]:
    start, end = span
    for first, last in words:
        if last + _MARGIN_S <= start:
            continue
        if first - _MARGIN_S >= end:
            break
        if first - _MARGIN_S > start:
            yield start, first - _MARGIN_S
        start = max(start, last + _MARGIN_S)
    if start < end:
        yield start, end
