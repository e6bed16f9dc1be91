"""Formats that show each word as it is said: LRC lyrics, and Advanced SubStation Alpha with karaoke times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from dictograph.formats.cues_by_rule import RuledCue, cues_by_rule
from dictograph.formats.pieces import Piece
from dictograph.formats.subtitle_rules import SHORTEST_MS, SubtitleRules
from dictograph.transcript import Segment, TranscriptHead

#: A word joiner, which is not seen: it keeps a text from being read as a tag.
_JOINER = "\u2060"
_TAG_BEGINS = re.compile(r"(?=[\[<]\d)")
_ASS_MARKS = re.compile(r"[\\{}]")

_ASS_HEAD = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1280
PlayResY: 720
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,48,&H00FFFFFF,&H00A0A0A0,&H00000000,&H80000000,0,0,0,0,100,100,0,0,1,2,1,2,40,40,40,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def lrc(head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[str]:
    """Yield lyrics: a line of text with its time, and an empty line where nobody sings or speaks for a while."""
    del head
    for cue, next_start in _with_next(cues_by_rule(segments, replace(rules, max_lines=1))):
        yield f"[{_lrc_clock(cue.start)}]{_no_tags(cue.text)}\n"
        if next_start is None or next_start - cue.end >= SHORTEST_MS:
            yield f"[{_lrc_clock(cue.end)}]\n"


def elrc(head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[str]:
    """Yield lyrics with the time of each word before it, and of the last word's end (the A2 extension of LRC)."""
    del head
    for cue, next_start in _with_next(cues_by_rule(segments, replace(rules, max_lines=1))):
        atoms = _atoms(cue)
        words = "".join(
            f"{' ' if space else ''}<{_lrc_clock(atom.start)}>{_no_tags(atom.text)}" for atom, space in atoms
        )
        yield f"[{_lrc_clock(cue.start)}]{words}<{_lrc_clock(atoms[-1][0].end)}>\n"
        if next_start is None or next_start - cue.end >= SHORTEST_MS:
            yield f"[{_lrc_clock(cue.end)}]\n"


def ass(head: TranscriptHead, segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[str]:
    r"""Yield a script with a line for each cue; `\k` gives the hundredths of a second of each word."""
    del head
    yield _ASS_HEAD
    for cue in cues_by_rule(segments, rules):
        name = "" if cue.channel is None else f"Channel {cue.channel}"
        times = f"{_ass_clock(cue.start)},{_ass_clock(cue.end)}"
        yield f"Dialogue: 0,{times},Default,{name},0,0,0,,{_karaoke(cue)}\n"


def _karaoke(cue: RuledCue) -> str:
    """Return the text of a cue. The times of its words add up to the end of the last one."""
    atoms = [atom for line in cue.lines for piece in line for atom in piece.atoms]
    starts = [max(_hundredths(atom.start), _hundredths(cue.start)) for atom in atoms]
    ends = [*starts[1:], max(_hundredths(min(atoms[-1].end, cue.end)), starts[-1])]
    spans = iter(zip(starts, ends, strict=True))
    lines = []
    for line in cue.lines:
        text = ""
        for place, (atom, space) in enumerate(_spaced(line)):
            start, end = next(spans)
            text += f"{{\\k{end - start}}}{' ' if space and place else ''}{_ASS_MARKS.sub(_plain, atom.text)}"
        lines.append(text)
    return r"\N".join(lines)


def _plain(mark: re.Match[str]) -> str:
    # A backslash would begin a command, and renderers differ in how a brace is escaped.
    return "\\" + _JOINER if mark[0] == "\\" else "(" if mark[0] == "{" else ")"


def _atoms(cue: RuledCue) -> list[tuple[Piece, bool]]:
    return [(atom, space and bool(place)) for place, (atom, space) in enumerate(_spaced(cue.lines[0]))]


def _spaced(line: Sequence[Piece]) -> list[tuple[Piece, bool]]:
    """Return the smallest pieces of a line, and whether a space stands before each."""
    return [(atom, atom.space) for piece in line for atom in piece.atoms]


def _no_tags(text: str) -> str:
    return _TAG_BEGINS.sub(_JOINER, text)


def _with_next(cues: Iterator[RuledCue]) -> Iterator[tuple[RuledCue, int | None]]:
    """Yield each cue with the start of the next one; None behind the last."""
    waiting: RuledCue | None = None
    for cue in cues:
        if waiting is not None:
            yield waiting, cue.start
        waiting = cue
    if waiting is not None:
        yield waiting, None


def _hundredths(milliseconds: int) -> int:
    return milliseconds // 10


def _lrc_clock(milliseconds: int) -> str:
    seconds, hundredths = divmod(_hundredths(milliseconds), 100)
    return f"{seconds // 60:02}:{seconds % 60:02}.{hundredths:02}"


def _ass_clock(milliseconds: int) -> str:
    seconds, hundredths = divmod(_hundredths(milliseconds), 100)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{hundredths:02}"
