"""What subtitles must look like, and how clients say so.

The defaults are those of the trade (Netflix, "Timed Text Style Guide: General Requirements"; BBC, "Subtitle
Guidelines"): two lines of 42 columns, at least 1 s and at most 7 s on screen, 20 characters a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from dictograph.errors import InvalidOption

#: How long a cue stays on screen, in milliseconds.
SHORTEST_MS = 1_000
LONGEST_MS = 7_000


@dataclass(frozen=True, slots=True)
class SubtitleRules:
    """The limits of a cue. `max_words` None: as many as fit."""

    max_line_width: int = 42
    max_lines: int = 2
    max_words: int | None = None
    max_chars_per_second: float = 20.0


#: The rules where a client names none.
DEFAULT_RULES = SubtitleRules()


def _given(value: object) -> object:
    """Return None for an empty parameter: it counts as one that was left out."""
    return None if value == "" else value


_Int = Annotated[int | None, BeforeValidator(_given)]
_Float = Annotated[float | None, BeforeValidator(_given)]

#: Whisper's own names of the rules.
ALIASES: Mapping[str, str] = {"max_line_count": "max_lines", "max_words_per_line": "max_words"}


class AskedRules(BaseModel):
    """The parameters that say how subtitles look: one list for HTTP, the command line and the documentation."""

    max_line_width: _Int = Field(
        None, ge=1, le=1000, description="Subtitles: columns of a line, 42 by default; East Asian characters take two."
    )
    max_lines: _Int = Field(None, ge=1, le=20, description="Subtitles: lines of a cue, 2 by default.")
    max_words: _Int = Field(None, ge=1, le=1000, description="Subtitles: words of a cue; by default as many as fit.")
    max_chars_per_second: _Float = Field(
        None, ge=1, le=1000, description="Subtitles: characters a second, 20 by default, where the times allow."
    )
    max_line_count: _Int = Field(None, ge=1, le=20, description="Whisper's name of `max_lines`.")
    max_words_per_line: _Int = Field(None, ge=1, le=1000, description="Whisper's name of `max_words`.")

    def rules(self) -> SubtitleRules | None:
        """Return the rules that the parameters make, with defaults for the others; None where none is given."""
        given = {name: value for name in AskedRules.model_fields if (value := getattr(self, name)) is not None}
        named = {ALIASES.get(name, name): given[name] for name in sorted(given, key=lambda name: name not in ALIASES)}
        return SubtitleRules(**named) if named else None


def read_rules(given: Mapping[str, Any]) -> SubtitleRules | None:
    """Return the rules of the parameters in a form or a query; None where none is given.

    Raises:
        InvalidOption: naming the first parameter with a bad value.
    """
    try:
        return AskedRules.model_validate(dict(given)).rules()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        raise InvalidOption(f"`{name}` cannot be {str(first['input'])[:50]!r}: {first['msg']}.", param=name) from error
