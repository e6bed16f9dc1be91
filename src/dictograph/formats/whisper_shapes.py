"""Transcripts in the formats of Whisper's own program and of OpenAI's API.

In these formats a segment's text begins with a space, so that texts can be joined directly. Figures are never null: a
figure that an engine does not give is 0.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from dictograph.formats.documents import document
from dictograph.formats.lines import encodable
from dictograph.languages import language_name
from dictograph.transcript import Segment, TranscriptHead, Word


def openai_json(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield OpenAI's `json`: `text`, and `usage` except for translations."""
    yield '{"text": "'
    for part in joined(segments):
        yield json.dumps(part, ensure_ascii=False)[1:-1]
    yield '"}' if head.task == "translate" else f'", "usage": {json.dumps(usage(head))}}}'


def openai_text(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield OpenAI's `text`: everything on one line."""
    del head
    yield from joined(segments)
    yield "\n"


def joined(segments: Iterable[Segment]) -> Iterator[str]:
    """Yield the parts of the text. Each but the first begins with a space."""
    for number, text in enumerate(texts(segments)):
        yield f" {text}" if number else text


def texts(segments: Iterable[Segment]) -> Iterator[str]:
    """Yield the texts of the segments that have text."""
    for segment in segments:
        if text := encodable(segment.text.strip()):
            yield text


def openai_verbose_json(head: TranscriptHead, segments: Iterable[Segment], *, words: bool) -> Iterator[str]:
    """Yield OpenAI's `verbose_json`: `task`, `language` (its English name), `duration`, `segments`, `words` if
    requested, `text`, and `usage` except for translations.
    """
    translated = head.task == "translate"
    fields = {
        "task": head.task,
        "language": "english" if translated else language_name(head.language),
        "duration": head.duration,
    } | ({} if translated else {"usage": usage(head)})
    yield from document(fields, segments, _segment, _word if words else None, always_words=words)


def whisper_json(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield Whisper's `json`: `language` (its code), `segments` with their words, `text`."""
    yield from document({"language": head.language or ""}, segments, _segment_with_words)


def usage(head: TranscriptHead) -> dict[str, Any]:
    """Return the usage that OpenAI would have charged for."""
    return {"type": "duration", "seconds": head.duration}


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    text = encodable(segment.text.strip())
    return {
        "id": index,
        "seek": round(segment.start * 100),  # as Whisper counts: frames of 10 ms
        "start": segment.start,
        "end": segment.end,
        "text": f" {text}" if text else "",
        "tokens": list(segment.tokens),
        "temperature": segment.temperature or 0.0,
        "avg_logprob": segment.avg_logprob or 0.0,
        "compression_ratio": _compression(text) if segment.compression_ratio is None else segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob or 0.0,
    }


def _segment_with_words(index: int, segment: Segment) -> dict[str, Any]:
    words = [
        {**_word(word), "word": f" {word.word.strip()}", "probability": word.probability} for word in segment.words
    ]
    return _segment(index, segment) | ({"words": words} if words else {})


def _word(word: Word) -> dict[str, Any]:
    return {"word": encodable(word.word.strip()), "start": word.start, "end": word.end}


def _compression(text: str) -> float:
    """Return the compression ratio of a text with zlib. It depends on the text alone, not on the engine."""
    raw = text.encode()
    return round(len(raw) / len(zlib.compress(raw)), 4) if raw else 0.0
