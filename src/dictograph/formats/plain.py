"""Text that people and spreadsheets read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dictograph.formats.lines import cues, one_line
from dictograph.transcript import Segment, TranscriptHead


def txt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """The words alone, a line per segment."""
    del head
    for segment in segments:
        if text := one_line(segment.text):
            yield f"{text}\n"


def tsv(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Columns start, end (whole milliseconds) and text, separated by tabs, under a line of names."""
    del head
    yield "start\tend\ttext\n"
    for cue in cues(segments):
        yield f"{cue.start}\t{cue.end}\t{cue.text}\n"
