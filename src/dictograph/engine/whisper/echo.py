"""Tell an answer that only repeats the prompt: Whisper gives the prompt back where it hears nothing."""

from __future__ import annotations

import unicodedata


def echoes(text: str, *given: str | None) -> bool:
    """Return whether the text has no word that is not in the given texts. Case and punctuation make no difference."""
    said = set(_words(text))
    return bool(said) and said <= {word for one in given if one for word in _words(one)}


def _words(text: str) -> list[str]:
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in unicodedata.normalize("NFKC", text))
    return "".join(kept).casefold().split()
