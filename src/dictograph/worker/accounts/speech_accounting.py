"""Account for the speech of a window: how much of it has words, and what the job has to be warned of."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dictograph.engine.coverage import TimeSpan, seconds, uncovered
from dictograph.engine.protocol import WindowResult
from dictograph.store.jobs.progress import SpeechSeconds
from dictograph.transcript import JobWarning, Segment
from dictograph.worker.planning import NumberedWindow

#: The most parts without words that a job names one by one; the last warning says that there are more.
MOST_NAMED = 100

_MESSAGE = "Somebody seems to speak here, but the engine found no words, also when it read this part again."
_NO_WORDS = "No words were found, though the audio is not silent: its loudest sample is at {level} dBFS."

#: The largest sample of audio in which nobody can be heard: −66 dBFS.
_SILENT_PEAK = 16

_MORE = "From here on there are more parts with speech and without words: see speech_seconds and covered_seconds."


def no_words(peak: int) -> JobWarning | None:
    """Return the warning of a job without any word, whose largest sample is `peak`; None if its audio is silent."""
    if peak < _SILENT_PEAK:
        return None
    level = round(20 * math.log10(peak / 32768))
    return JobWarning("no_words_found", _NO_WORDS.format(level=level))


@dataclass(frozen=True, slots=True)
class SpeechAccount:
    """The account of one window. Times are seconds of the original."""

    spoken: float = 0.0
    uncovered: tuple[TimeSpan, ...] = ()

    @classmethod
    def of(cls, window: NumberedWindow, result: WindowResult) -> SpeechAccount:
        """Return the account of a window and its result, whose times are those of the window."""
        if not window.spans:
            return cls()
        start = window.window.start
        left = uncovered(window.spans, _word_times(result.segments))
        return cls(seconds(window.spans), tuple((round(a + start, 2), round(b + start, 2)) for a, b in left))


class SpeechAccounts:
    """The accounts of a job's windows; `named` parts without words are in its warnings already."""

    def __init__(self, named: int = 0) -> None:
        self._named = named

    @classmethod
    def of_warnings(cls, warnings: Iterable[dict[str, object]]) -> SpeechAccounts:
        """Return the accounts of a job with these warnings."""
        return cls(sum(warning.get("code") == "speech_without_words" for warning in warnings))

    def summed(self, accounts: Iterable[SpeechAccount]) -> tuple[SpeechSeconds, list[JobWarning]]:
        """Return the seconds of some windows, and the warnings that are due."""
        known = list(accounts)
        spoken = sum(account.spoken for account in known)
        left = [part for account in known for part in account.uncovered]
        return SpeechSeconds(spoken, spoken - seconds(left)), [w for part in left if (w := self._warning(part))]

    def _warning(self, part: TimeSpan) -> JobWarning | None:
        self._named += 1
        if self._named > MOST_NAMED:
            return JobWarning("speech_without_words", _MORE, part[0]) if self._named == MOST_NAMED + 1 else None
        return JobWarning("speech_without_words", _MESSAGE, *part)


def _word_times(segments: Iterable[Segment]) -> list[TimeSpan]:
    times = [(w.start, w.end) for segment in segments for w in segment.words or (segment,) if segment.text.strip()]
    return sorted(times)
