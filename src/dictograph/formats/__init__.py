"""A transcript as a file. `FORMATS` is the one list of formats: the command line, HTTP, the OpenAPI document and the
tables of the documentation are made from it.

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

Render = Callable[[TranscriptHead, Iterable[Segment]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of transcripts.

    Args:
        name: the name that a client gives.
        media_type: without a charset, which is always UTF-8. If several formats have one type, `Accept` gets the first.
        suffix: the suffix of a file name, with its dot.
        description: a description in a few words of Markdown.
        render: yields pieces of text, to be joined.
    """

    name: str
    media_type: str
    suffix: str
    description: str
    render: Render


_TSV = "columns `start`, `end` (whole milliseconds) and `text`, under a line of names"

#: All formats, by the name that a client gives.
FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format("txt", "text/plain", ".txt", "the words, a line for each segment", txt),
        Format("json", "application/json", ".json", "text, segments with times, language, warnings", json_document),
        Format("verbose_json", "application/json", ".verbose.json", "all that is known", verbose_json_document),
        Format("srt", "application/x-subrip", ".srt", "SubRip subtitles", srt),
        Format("vtt", "text/vtt", ".vtt", "WebVTT subtitles", vtt),
        Format("tsv", "text/tab-separated-values", ".tsv", _TSV, tsv),
    )
}


def render(name: str, head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Return the pieces of the transcript in the format `name`. `segments` is read once, as needed.

    Raises:
        InvalidOption: there is no such format (before anything is read).
    """
    if name not in FORMATS:
        raise InvalidOption(f"There is no format {name!r}. Choose one of: {', '.join(FORMATS)}.")
    return FORMATS[name].render(head, segments)
