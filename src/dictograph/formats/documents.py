"""JSON, written piece by piece: fields that depend on all segments come after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from dictograph.formats.lines import encodable
from dictograph.languages import LANGUAGES
from dictograph.transcript import Segment, TranscriptHead, Word

# Text that is repeated at the end is kept in memory up to this size, then in a file.
_SPOOL_BYTES = 256 * 1024
_PIECE = 64 * 1024


def json_document(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield `json`: `language`, `language_probability`, `duration`, `engine`, `model`, `complete`, `warnings`,
    `segments` (start and end in seconds, text, and words if they were requested), `text`.
    """
    fields = {
        "language": head.language,
        "language_probability": head.language_probability,
        "duration": head.duration,
        "engine": head.engine,
        "model": head.model,
        "complete": head.complete,
        "warnings": [warning.as_dict() for warning in head.warnings],
    }
    yield from document(fields, segments, _segment)


def verbose_json_document(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield everything that is known: as `json`, plus the task, the language's English name, the figures of every
    segment, and the words of all segments once more in one list.
    """
    fields = {
        "task": head.task,
        "language": head.language,
        "language_name": LANGUAGES.get(head.language or ""),
        "language_probability": head.language_probability,
        "duration": head.duration,
        "engine": head.engine,
        "model": head.model,
        "complete": head.complete,
        "warnings": [warning.as_dict() for warning in head.warnings],
    }
    yield from document(fields, segments, _verbose_segment, _word)


def document(
    fields: dict[str, Any],
    segments: Iterable[Segment],
    shape: Callable[[int, Segment], dict[str, Any]],
    word_shape: Callable[[Word], dict[str, Any]] | None = None,
    *,
    always_words: bool = False,
) -> Iterator[str]:
    """Yield an object with `fields`, and after them `segments`, `words` and `text`.

    With a `word_shape`, the words of all segments are repeated in one list, if there are any. `always_words`: the list
    is written even if it is empty.
    """
    with _Spool(" ") as text, _Spool(",\n") as words:
        yield _dumped(fields)[:-1] + ',\n"segments": ['
        for index, segment in enumerate(segments):
            yield (",\n" if index else "\n") + _dumped(shape(index, segment))
            text.add(_inside_quotes(segment.text.strip()))
            if word_shape is not None:
                for word in segment.words:
                    words.add(_dumped(word_shape(word)))
        yield "\n],\n"
        if words.used or always_words:
            yield '"words": [\n'
            yield from words.pieces()
            yield "\n],\n"
        yield '"text": "'
        yield from text.pieces()
        yield '"}\n'


def _segment(index: int, segment: Segment) -> dict[str, Any]:
    del index
    shape: dict[str, Any] = {"start": segment.start, "end": segment.end, "text": encodable(segment.text.strip())}
    return shape | _where_known(segment) | _own_words(segment)


def _verbose_segment(index: int, segment: Segment) -> dict[str, Any]:
    shape = {
        "id": index,
        "seek": round(segment.start * 100),  # as Whisper counts: frames of 10 ms
        "start": segment.start,
        "end": segment.end,
        "text": encodable(segment.text.strip()),
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }
    return shape | _where_known(segment) | _own_words(segment)


def _where_known(segment: Segment) -> dict[str, Any]:
    """Return the fields that only some jobs' segments have."""
    fields = {"language": segment.language, "channel": segment.channel}
    return {name: value for name, value in fields.items() if value is not None}


def _own_words(segment: Segment) -> dict[str, Any]:
    return {"words": [_word(word) for word in segment.words]} if segment.words else {}


def _word(word: Word) -> dict[str, Any]:
    return asdict(word) | {"word": encodable(word.word.strip())}


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _inside_quotes(text: str) -> str:
    return _dumped(encodable(text))[1:-1]


class _Spool:
    """Parts joined by a separator, read back in pieces. Empty parts add no separator."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._file: IO[str] = SpooledTemporaryFile(_SPOOL_BYTES, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self.used = False

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, part: str) -> None:
        if not part:
            return
        self._file.write(self._separator + part if self.used else part)
        self.used = True

    def pieces(self) -> Iterator[str]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece
