"""Subtitle formats, SubRip and WebVTT: by rule, or a cue for each segment as Whisper's own program writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dictograph.formats.cues_by_rule import cues_by_rule
from dictograph.formats.lines import Cue, cues
from dictograph.formats.subtitle_rules import SubtitleRules
from dictograph.transcript import Segment, TranscriptHead

_VTT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield numbered cues, one for each segment. Hours have as many digits as needed, at least two."""
    del head
    yield from _srt(cues(segments))


def srt_by_rule(head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[str]:
    """Yield numbered cues by rule."""
    del head
    yield from _srt(_ruled(segments, rules))


def vtt(head: TranscriptHead, segments: Iterable[Segment]) -> Iterator[str]:
    """Yield a cue for each segment as in https://www.w3.org/TR/webvtt1/; `&`, `<`, `>`, and so `-->`, are escaped."""
    del head
    yield from _vtt(cues(segments))


def vtt_by_rule(head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[str]:
    """Yield cues by rule, in the same form."""
    del head
    yield from _vtt(_ruled(segments, rules))


def clock(milliseconds: int, point: str) -> str:
    """Return a time as subtitles write it: `01:02:03,456`."""
    seconds, thousandths = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}"


def _srt(cues: Iterable[Cue]) -> Iterator[str]:
    for number, cue in enumerate(cues, start=1):
        yield f"{number}\n{clock(cue.start, ',')} --> {clock(cue.end, ',')}\n{cue.text}\n\n"


def _vtt(cues: Iterable[Cue]) -> Iterator[str]:
    yield "WEBVTT\n"
    for cue in cues:
        yield f"\n{clock(cue.start, '.')} --> {clock(cue.end, '.')}\n{cue.text.translate(_VTT_ESCAPES)}\n"


def _ruled(segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[Cue]:
    return (Cue(cue.start, cue.end, cue.text) for cue in cues_by_rule(segments, rules))
