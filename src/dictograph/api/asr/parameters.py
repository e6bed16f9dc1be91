"""The parameters of a call, which are in its query, and their meaning here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Query
from pydantic import BeforeValidator

from dictograph.errors import InvalidOption
from dictograph.formats import FORMATS, Format
from dictograph.formats.subtitle_rules import AskedRules
from dictograph.formats.whisper_shapes import whisper_json
from dictograph.languages import is_to_be_found, language_code, languages_in


def _given(value: object) -> object:
    """Return None for an empty parameter: it counts as one that was left out."""
    return None if value == "" else value


#: Every value of `output`, and the format that it names. That service has these and no others.
OUTPUTS: Mapping[str, Format] = {
    **{name: FORMATS[name] for name in ("txt", "vtt", "srt", "tsv")},
    "json": Format("json", "application/json", ".json", "as Whisper's own program writes it", whisper_json),
}

if TYPE_CHECKING:
    Output = str
else:
    Output = Literal[tuple(OUTPUTS)]


class AsrQuery(AskedRules):
    """The parameters of POST /asr, with that service's defaults."""

    task: Annotated[Literal["transcribe", "translate"] | None, BeforeValidator(_given)] = None
    language: str | None = None
    initial_prompt: str | None = None
    word_timestamps: Annotated[bool | None, BeforeValidator(_given)] = None
    vad_filter: Annotated[bool | None, BeforeValidator(_given)] = None
    encode: Annotated[bool | None, BeforeValidator(_given)] = None
    output: Annotated[Output | None, BeforeValidator(_given)] = None


AsrRequest = Annotated[AsrQuery, Query()]
Encode = Annotated[bool, Query()]


def options_in(asked: AsrQuery) -> Mapping[str, Any]:
    """Return the query's options for the transcription. Raises InvalidOption for an unknown language."""
    options: dict[str, Any] = {
        "task": asked.task or "transcribe",
        "word_timestamps": bool(asked.word_timestamps),
        "vad_filter": bool(asked.vad_filter),
    }
    if asked.initial_prompt:
        options["prompt"] = asked.initial_prompt
    if asked.language:
        options["language"] = _languages(asked.language)
    return options


def _languages(given: str) -> object:
    for one in given.split(","):
        if language_code(one) is None and not is_to_be_found(one):
            raise InvalidOption(f"There is no language {one[:50]!r}; give its code, as `en`.", param="language")
    return languages_in(given)


@dataclass(frozen=True, slots=True)
class RawSound:
    """The audio that clients send with `encode=false`: samples of 16 bits, mono, 16,000 a second, without a header.

    `header` is the header of a WAV file of unknown length. Its lengths are the largest possible ones: programs that do
    not know the length beforehand write them like this.
    """

    rate: int = 16_000

    @property
    def header(self) -> bytes:
        endless = b"\xff\xff\xff\xff"
        numbers = ((16, 4), (1, 2), (1, 2), (self.rate, 4), (2 * self.rate, 4), (2, 2), (16, 2))
        form = b"".join(number.to_bytes(size, "little") for number, size in numbers)
        return b"RIFF" + endless + b"WAVEfmt " + form + b"data" + endless
