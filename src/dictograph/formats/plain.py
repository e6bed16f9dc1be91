"""Plain formats for people and spreadsheets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from dictograph.formats.lines import cues, one_line
from dictograph.transcript import Segment, TranscriptHead

#: Characters that a spreadsheet treats as the beginning of a formula, in full width too (OWASP, "CSV Injection"). No
#: cell contains tabs or line ends. An apostrophe in front marks the cell as text, and so does one more before that.
_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")


def txt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield only the text, a line for each segment."""
    del head
    for segment in segments:
        if text := one_line(segment.text):
            yield f"{text}\n"


def tsv(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield columns start, end (whole milliseconds) and text, separated by tabs, under a line of names."""
    del head
    yield "start\tend\ttext\n"
    for cue in cues(segments):
        yield f"{cue.start}\t{cue.end}\t{_cell(cue.text)}\n"


def _cell(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text
