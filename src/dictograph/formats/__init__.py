"""A transcript as a file. `FORMATS` is the one list of formats: the command line, HTTP, the OpenAPI document and the
tables of the documentation are made from it.

Every format is rendered as a stream of text pieces, so memory does not grow with the transcript.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from dictograph.errors import InvalidOption
from dictograph.formats.documents import json_document, verbose_json_document
from dictograph.formats.karaoke import ass, elrc, lrc
from dictograph.formats.plain import tsv, txt
from dictograph.formats.subtitle_rules import DEFAULT_RULES, SubtitleRules
from dictograph.formats.subtitles import srt, srt_by_rule, vtt, vtt_by_rule
from dictograph.transcript import Segment, TranscriptHead

Render = Callable[[TranscriptHead, Iterable[Segment]], Iterator[str]]
RenderByRule = Callable[[TranscriptHead, Iterable[Segment], SubtitleRules], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of transcripts.

    Args:
        name: the name that a client gives.
        media_type: without a charset, which is always UTF-8. If several formats have one type, `Accept` gets the first.
        suffix: the suffix of a file name, with its dot.
        description: a description in a few words of Markdown.
        render: yields pieces of text, to be joined.
        by_rule: the same for subtitles, whose cues follow rules; `render` is then what systems before this one write.
    """

    name: str
    media_type: str
    suffix: str
    description: str
    render: Render
    by_rule: RenderByRule | None = None

    def stands_on_words(self, rules: SubtitleRules | None) -> bool:
        """Return whether the text is made from the times of the words: cues by rule are, whatever the job asked for."""
        return self.by_rule is not None and rules is not None


def _ruled(name: str, media_type: str, suffix: str, description: str, by_rule: RenderByRule) -> Format:
    """Return a format that no earlier system writes: its cues follow the rules in any case."""
    return Format(
        name, media_type, suffix, description, lambda head, segments: by_rule(head, segments, DEFAULT_RULES), by_rule
    )


_TSV = "columns `start`, `end` (whole milliseconds) and `text`, under a line of names"
_ASS = "Advanced SubStation Alpha, with the time of each word (`\\k`)"

#: All formats, by the name that a client gives.
FORMATS: Mapping[str, Format] = {
    format.name: format
    for format in (
        Format("txt", "text/plain", ".txt", "the words, a line for each segment", txt),
        Format("json", "application/json", ".json", "text, segments with times, language, warnings", json_document),
        Format("verbose_json", "application/json", ".verbose.json", "all that is known", verbose_json_document),
        Format("srt", "application/x-subrip", ".srt", "SubRip subtitles", srt, srt_by_rule),
        Format("vtt", "text/vtt", ".vtt", "WebVTT subtitles", vtt, vtt_by_rule),
        Format("tsv", "text/tab-separated-values", ".tsv", _TSV, tsv),
        _ruled("ass", "text/x-ssa", ".ass", _ASS, ass),
        _ruled("lrc", "application/x-lrc", ".lrc", "LRC lyrics, a time for each line", lrc),
        _ruled("elrc", "application/x-elrc", ".elrc", "LRC lyrics, a time for each word too", elrc),
    )
}


def render(
    name: str, head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules | None = None
) -> Iterator[str]:
    """Return the pieces of the transcript in the format `name`. `segments` is read once, as needed. Subtitles follow
    `rules`, by default those of the trade; other formats have none.

    Raises:
        InvalidOption: there is no such format (before anything is read).
    """
    if name not in FORMATS:
        raise InvalidOption(f"There is no format {name!r}. Choose one of: {', '.join(FORMATS)}.")
    return rendered(FORMATS[name], head, segments, rules or DEFAULT_RULES)


def rendered(
    format: Format, head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules | None
) -> Iterator[str]:
    """Return the pieces of the transcript: by rule if there are rules and the format has cues."""
    if format.by_rule is None or rules is None:
        return format.render(head, segments)
    return format.by_rule(head, segments, rules)
