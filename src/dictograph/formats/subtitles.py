"""Subtitle formats: SubRip and WebVTT."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dictograph.formats.lines import cues
from dictograph.transcript import Segment, TranscriptHead

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield numbered cues. Hours have as many digits as needed, at least two."""
    del head
    for number, cue in enumerate(cues(segments), start=1):
        yield f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.text}\n\n"


def vtt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield cues as in https://www.w3.org/TR/webvtt1/; `&`, `<`, `>`, and so `-->`, are escaped."""
    del head
    yield "WEBVTT\n"
    for cue in cues(segments):
        yield f"\n{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{cue.text.translate(_VTT_ESCAPES)}\n"


def _clock(milliseconds: int, point: str) -> str:
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}"
