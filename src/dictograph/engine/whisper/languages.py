"""The language of each window, found from its own samples: for jobs in several languages, and for warnings.

The decoder's first step on a window that is encoded anyway gives the probability of each language.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dictograph.engine.protocol import Window, WindowOptions, WindowResult

#: Digits of a probability: more would differ with what else is in a batch.
_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Heard:
    """The most probable language of a window, and its probability."""

    language: str
    probability: float


def most_probable(probabilities: Mapping[str, float], candidates: Sequence[str] = ()) -> Heard:
    """Return the most probable language of all, or of the candidates; its probability is then that among these."""
    among = {code: p for code, p in probabilities.items() if not candidates or code in candidates}
    language = max(sorted(among), key=among.__getitem__)
    whole = sum(among.values()) if candidates else 1.0
    return Heard(language, round(among[language] / whole, _DIGITS) if whole > 0 else 0.0)


def candidates_of(options: WindowOptions) -> tuple[str, ...]:
    """Return the languages that a window may have by the job's options; empty if it may be any."""
    named = options.language
    return () if named is None else (named,) if isinstance(named, str) else tuple(named)


def each_in_its_own(
    windows: Sequence[Window],
    heard: Sequence[Heard],
    options: WindowOptions,
    transcribe: Callable[[Sequence[Window], WindowOptions], list[WindowResult]],
) -> list[WindowResult]:
    """Return a result for each window, read in its own language: those of one language together."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(heard):
        places[one.language].append(place)
    results: dict[int, WindowResult] = {}
    for language, own in places.items():
        read = transcribe([windows[place] for place in own], replace(options, language=language, multilingual=False))
        results |= zip(own, (_marked(result, language) for result in read), strict=True)
    return [results[place] for place in range(len(windows))]


def with_language(result: WindowResult, heard: Heard) -> WindowResult:
    """Return the result with the language that was heard."""
    return replace(result, language=heard.language, language_probability=heard.probability)


def _marked(result: WindowResult, language: str) -> WindowResult:
    return replace(result, segments=tuple(replace(segment, language=language) for segment in result.segments))
