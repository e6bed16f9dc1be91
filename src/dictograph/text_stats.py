"""Statistics of a text: the number of its words, and the time to read it."""

from __future__ import annotations

import unicodedata

#: The words that a person reads in a minute, silently and with ease.
WORDS_PER_MINUTE = 220

_LETTER, _FIGURE, _JOIN, _BREAK = "a", "0", "'", " "
_APOSTROPHES = "'\u2019"
_ALPHABETIC = frozenset("LM")  # letters, and the marks that belong to them in many scripts


def count_words(text: str) -> int:
    """Count the alphabetic tokens: `don't` is one, `7` and `3rd` are none, and a hyphen separates two."""
    tokens = text.translate(_Kinds()).split()
    return sum(1 for token in tokens if _FIGURE not in token and _LETTER in token)


def reading_minutes(words: int) -> float:
    """Return the minutes to read this number of words, to two decimals."""
    return round(words / WORDS_PER_MINUTE, 2)


class _Kinds(dict[int, str]):
    """The kind of each code point in a token; each is looked up once."""

    def __missing__(self, code: int) -> str:
        self[code] = kind = _kind(chr(code))
        return kind


def _kind(character: str) -> str:
    if character in _APOSTROPHES:
        return _JOIN
    category = unicodedata.category(character)
    if category[0] in _ALPHABETIC:
        return _LETTER
    return _FIGURE if category[0] == "N" else _BREAK
