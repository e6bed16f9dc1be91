"""One template: text with places for the transcript and for figures of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dictograph.errors import SettingsError

#: What a template may ask for, in braces. `transcript` stands between lines of three backticks already.
PLACES: Mapping[str, str] = {
    "transcript": "the transcript, between triple backticks",
    "words": "how many words it has",
    "fifth": "a fifth of that, rounded up",
}

_PLACE = re.compile(r"\{([a-z_]+)\}")
_FENCE = "```"
_FENCES = re.compile(r"`{3,}")


class Template:
    """A prompt to be filled in. Braces around anything but a word in small letters mean themselves."""

    def __init__(self, text: str) -> None:
        """Raises SettingsError, saying what is wrong with the text."""
        asked = _PLACE.findall(text)
        unknown = next((name for name in asked if name not in PLACES), None)
        if unknown is not None:
            known = ", ".join(f"{{{name}}}" for name in PLACES)
            raise SettingsError(f"there is no {{{unknown}}}; a template may have {known}")
        if "transcript" not in asked:
            raise SettingsError("it has no {transcript}")
        self._text = text.strip()

    def fill(self, transcript: str, words: int) -> str:
        """The prompt for this transcript of so many words.

        Whatever the transcript says, it stays inside of its backticks, and braces in it are filled with nothing.
        """
        values = {"transcript": fenced(transcript), "words": str(words), "fifth": str(-(-words // 5))}
        return _PLACE.sub(lambda place: values[place[1]], self._text)


def fenced(text: str) -> str:
    """The text between lines of three backticks. Backticks in it that could end that become apostrophes."""
    inside = _FENCES.sub(lambda run: "'" * len(run[0]), text)
    return f"{_FENCE}\n{inside}\n{_FENCE}"
