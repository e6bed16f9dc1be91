"""Compare a text with the true words: errors counted as Whisper's paper counts them, after its normalisers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Words left out, put in and changed, of `words` true ones."""

    words: int
    deleted: int = 0
    inserted: int = 0
    changed: int = 0

    @property
    def errors(self) -> int:
        return self.deleted + self.inserted + self.changed

    @property
    def rate(self) -> float:
        """Return the word error in percent."""
        return 100 * self.errors / self.words if self.words else 0.0

    def __add__(self, other: WordErrors) -> WordErrors:
        return WordErrors(
            self.words + other.words,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
            self.changed + other.changed,
        )


def compare(language: str, truth: str, heard: str) -> WordErrors:
    """Return the errors of a text in a language (a code; "en" has a normaliser of its own)."""
    return count(normalised(language, truth), normalised(language, heard))


def pooled(parts: Iterable[WordErrors]) -> WordErrors:
    """Add up: the rate of the sum weighs each text by its words."""
    return sum(parts, WordErrors(0))


def normalised(language: str, text: str) -> list[str]:
    """Return the words without case, punctuation, and other ways to write the same."""
    return _normaliser(english=language == "en")(text).split()


def count(truth: Sequence[str], heard: Sequence[str]) -> WordErrors:
    """Count the fewest words to leave out, put in and change to get from one text to the other."""
    row = [n * _INSERT for n in range(len(heard) + 1)]
    for word in truth:
        diagonal, row[0] = row[0], row[0] + _DELETE
        for n, other in enumerate(heard, 1):
            best = diagonal if word == other else min(diagonal + _CHANGE, row[n] + _DELETE, row[n - 1] + _INSERT)
            diagonal, row[n] = row[n], best
    deleted, inserted, changed = (row[-1] >> place & _MASK for place in (_BITS * 2, _BITS, 0))
    return WordErrors(len(truth), deleted, inserted, changed)


@cache
def _normaliser(*, english: bool) -> _Normaliser:
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normaliser: _Normaliser = EnglishTextNormalizer() if english else BasicTextNormalizer()
    return normaliser


class _Normaliser(Protocol):
    def __call__(self, text: str) -> str: ...


# A cost is one number, so that a text of thousands of words takes a second: the errors in the highest bits, since they
# decide, and below them how many were left out, put in and changed.
_BITS = 20
_MASK = (1 << _BITS) - 1
_ERROR = 1 << _BITS * 3
_DELETE, _INSERT, _CHANGE = _ERROR + (1 << _BITS * 2), _ERROR + (1 << _BITS), _ERROR + 1
