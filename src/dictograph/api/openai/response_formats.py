"""The values of `response_format`: OpenAI's, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dictograph.formats import FORMATS, Render, RenderByRule
from dictograph.formats.whisper_shapes import openai_json, openai_text, openai_verbose_json
from dictograph.transcript import Segment, TranscriptHead

JSON_TYPE = "application/json"
_TEXT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """How an answer is written. The last argument of `render`: whether words were requested. `by_rule` writes subtitles
    by the rules that the client gave."""

    media_type: str
    render: Callable[[TranscriptHead, Iterable[Segment], bool], Iterator[str]]
    by_rule: RenderByRule | None = None

    @property
    def is_json(self) -> bool:
        """Tell whether white space before the answer is no part of it."""
        return self.media_type == JSON_TYPE


def _without_words(render: Render) -> Callable[[TranscriptHead, Iterable[Segment], bool], Iterator[str]]:
    return lambda head, segments, _words: render(head, segments)


#: Every value, by its name.
RESPONSE_FORMATS: Mapping[str, ResponseFormat] = {
    "json": ResponseFormat(JSON_TYPE, _without_words(openai_json)),
    "text": ResponseFormat(_TEXT_TYPE, _without_words(openai_text)),
    "srt": ResponseFormat(_TEXT_TYPE, _without_words(FORMATS["srt"].render), FORMATS["srt"].by_rule),
    "verbose_json": ResponseFormat(
        JSON_TYPE, lambda head, segments, words: openai_verbose_json(head, segments, words=words)
    ),
    "vtt": ResponseFormat(_TEXT_TYPE, _without_words(FORMATS["vtt"].render), FORMATS["vtt"].by_rule),
}
