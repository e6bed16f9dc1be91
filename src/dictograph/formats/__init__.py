"""A transcript as a file: txt, json, verbose_json, srt, vtt, tsv.

Every format is rendered as a stream of text pieces, so memory does not grow with the transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dictograph.errors import InvalidOption
from dictograph.formats.documents import json_document, verbose_json_document
from dictograph.formats.plain import tsv, txt
from dictograph.formats.subtitles import srt, vtt
from dictograph.transcript import Segment, TranscriptHead


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a transcript. `media_type` goes without a charset, which is always UTF-8.

    `suffix` is a file name's, with its dot. `render` gives pieces of text to be joined.
    """

    name: str
    media_type: str
    suffix: str
    render: Callable[[TranscriptHead, Iterable[Segment]], Iterator[str]]


#: Every format, by the name that a client gives.
FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format("txt", "text/plain", ".txt", txt),
        Format("json", "application/json", ".json", json_document),
        Format("verbose_json", "application/json", ".verbose.json", verbose_json_document),
        Format("srt", "application/x-subrip", ".srt", srt),
        Format("vtt", "text/vtt", ".vtt", vtt),
        Format("tsv", "text/tab-separated-values", ".tsv", tsv),
    )
}


def render(name: str, head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """The pieces of the transcript in the format `name`; `segments` is read once, as it is needed.

    Raises:
        InvalidOption: there is no such format (before anything is read).
    """
    if name not in FORMATS:
        raise InvalidOption(f"There is no format {name!r}. Choose one of: {', '.join(FORMATS)}.")
    return FORMATS[name].render(head, segments)
