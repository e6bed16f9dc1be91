"""The languages of a job's windows: warnings where another one is spoken, and the one that is spoken most."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dictograph.languages import LANGUAGES
from dictograph.transcript import JobWarning

#: When a window's language is certain: its probability, and the seconds of the window. Measured with `base` on
#: recorded prompts in five languages (docs/explanation/windows.md).
CERTAIN = 0.9
CERTAIN_S = 4.0

#: A language that was decided with a lower probability is told.
SURE = 0.8

#: The number of stretches in another language that are told one by one; what follows them is told in one.
_MOST = 20


@dataclass(slots=True)
class _Stretch:
    language: str
    start: float
    end: float
    seconds: float


class LanguageAccount:
    """Takes the windows of a job one by one, in order. Its size does not grow with their number.

    Args:
        language: the job's, in which its windows are read; None where each is read in its own.
    """

    def __init__(self, language: str | None) -> None:
        self._language = language
        self._open: _Stretch | None = None
        self._told: list[_Stretch] = []
        self._more: _Stretch | None = None
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._weighed: defaultdict[str, float] = defaultdict(float)

    def add(self, start: float, end: float, result: Mapping[str, Any]) -> None:
        """Take a window with its stored result."""
        language, probability = result.get("language"), result.get("language_probability") or 0.0
        if language is None or not result.get("segments"):
            return
        self._seconds[language] += end - start
        self._weighed[language] += probability * (end - start)
        certain = probability >= CERTAIN and end - start >= CERTAIN_S
        if self._language is None or language == self._language or not certain:
            self._close()
        elif self._open is not None and self._open.language == language:
            self._open.end, self._open.seconds = end, self._open.seconds + end - start
        else:
            self._close()
            self._open = _Stretch(language, start, end, end - start)

    @property
    def language(self) -> str | None:
        """The job's language; None where each window has its own."""
        return self._language

    @property
    def most_spoken(self) -> tuple[str, float] | None:
        """The language of most seconds, with the mean probability of its windows; None where none has any."""
        if not self._seconds:
            return None
        language = max(sorted(self._seconds), key=self._seconds.__getitem__)
        return language, round(self._weighed[language] / self._seconds[language], 4)

    def warnings(self) -> list[JobWarning]:
        """Return a warning for each stretch in another language."""
        self._close()
        told = [_warning(stretch, self._language or "") for stretch in self._told]
        if self._more is not None:
            seconds = round(self._more.seconds)
            message = f"Another language than {_name(self._language or '')} is spoken for {seconds} s more, in parts."
            told.append(JobWarning("other_language", f"{message} {_ADVICE}", self._more.start, self._more.end))
        return told

    def _close(self) -> None:
        stretch, self._open = self._open, None
        if stretch is None:
            return
        if len(self._told) < _MOST:
            self._told.append(stretch)
        elif self._more is None:
            self._more = stretch
        else:
            self._more.end, self._more.seconds = stretch.end, self._more.seconds + stretch.seconds


_ADVICE = "Its text may be invented: with `multilingual` each part is read in its own language."


def uncertain(language: str, probability: float) -> JobWarning:
    """Return the warning of a job whose language was decided with a low probability."""
    return JobWarning(
        "language_uncertain",
        f"The language was taken to be {_name(language)}, which is only {probability:.0%} certain. "
        "Name it with `language`.",
    )


def _warning(stretch: _Stretch, language: str) -> JobWarning:
    return JobWarning(
        "other_language",
        f"{_name(stretch.language)} is spoken here, but the text was read as {_name(language)}. {_ADVICE}",
        stretch.start,
        stretch.end,
    )


def _name(code: str) -> str:
    return LANGUAGES.get(code, code)
