"""One template: text with placeholders for the transcript and its figures."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dictograph.errors import SettingsError

#: The placeholders that a template may use, in braces. `transcript` is already between lines of three backticks.
PLACES: Mapping[str, str] = {
    "transcript": "the transcript, between triple backticks",
    "words": "how many words it has",
    "fifth": "a fifth of that, rounded up",
}

_PLACE = re.compile(r"\{([a-z_]+)\}")
_FENCE = "```"
_FENCES = re.compile(r"`{3,}")


class Template:
    """A prompt to be filled in. Braces around anything but a word in small letters are plain text."""

    def __init__(self, text: str) -> None:
        """Check the text. Raises SettingsError, which names the error in the text."""
        asked = _PLACE.findall(text)
        unknown = next((name for name in asked if name not in PLACES), None)
        if unknown is not None:
            known = ", ".join(f"{{{name}}}" for name in PLACES)
            raise SettingsError(f"there is no {{{unknown}}}; a template may have {known}")
        if "transcript" not in asked:
            raise SettingsError("it has no {transcript}")
        self._text = text.strip()

    def fill(self, transcript: str, words: int) -> str:
        """Return the prompt for this transcript with its number of words.

        Any transcript stays inside its backticks. Braces in it are not replaced.
        """
        values = {"transcript": fenced(transcript), "words": str(words), "fifth": str(-(-words // 5))}
        return _PLACE.sub(lambda place: values[place[1]], self._text)


def fenced(text: str) -> str:
    """Return the text between lines of three backticks. Backticks in it that could end the block become apostrophes."""
    inside = _FENCES.sub(lambda run: "'" * len(run[0]), text)
    return f"{_FENCE}\n{inside}\n{_FENCE}"
