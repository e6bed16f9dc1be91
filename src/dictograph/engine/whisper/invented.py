"""Drop words that Whisper is unsure of, and that stand where nobody speaks: it invents them in music and noise."""

from __future__ import annotations

from collections.abc import Sequence

from dictograph.engine.coverage import TimeSpan
from dictograph.engine.whisper.reader import Reading

#: Words with a higher mean log-probability are kept wherever they are: the detector may be wrong. Of hold music the
#: best answer had −0.80; of 45 windows of Spanish prompts the worst had −0.51 (`base`).
_SURE_LOGPROB = -0.75

#: How far from the speech a word may be, in seconds.
_NEAR_S = 0.5


def spoken_only(reading: Reading, spans: Sequence[TimeSpan] | None) -> Reading:
    """Return the reading without the doubtful answers of which most words stand outside of the speech.

    It is returned as it is where nothing is known of the speech (None), and where none is certain: there the detector
    leaves the judgement to Whisper's own figures.
    """
    if not spans or all(result.avg_logprob >= _SURE_LOGPROB for result in reading.results):
        return reading
    near: dict[int, list[bool]] = {}
    for word, result in zip(reading.words, reading.results, strict=True):
        near.setdefault(id(result), []).append(_is_near(word.start, word.end, spans))
    invented = {
        id(result)
        for result in reading.results
        if result.avg_logprob < _SURE_LOGPROB and 2 * sum(near[id(result)]) < len(near[id(result)])
    }
    kept = [pair for pair in zip(reading.words, reading.results, strict=True) if id(pair[1]) not in invented]
    return Reading(tuple(word for word, _ in kept), tuple(result for _, result in kept))


def _is_near(start: float, end: float, spans: Sequence[TimeSpan]) -> bool:
    return any(start < last + _NEAR_S and end > first - _NEAR_S for first, last in spans)
