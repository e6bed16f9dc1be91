"""What speaks against a break between two pieces, and against a cue: the lower the sum, the better subtitles read.

The figures are weights against each other. Breaks come at the ends of sentences, then at clauses and pauses, then
between words; not behind a short word, which mostly is an article or a preposition; inside a word of a language
without spaces only if need be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dictograph.formats.pieces import PAUSE_MS, Piece
from dictograph.formats.subtitle_rules import LONGEST_MS, SHORTEST_MS, SubtitleRules
from dictograph.text_width import width

_SENTENCE_ENDS = frozenset(".?!…。？！।؟۔")
_CLAUSE_ENDS = frozenset(",;:—–，、；：،؛")
_CLOSING = "\"'”’»›)]}」』）】"

#: A cue costs so much that short sentences share one.
_CUE = 6.0
_AT_CLAUSE = 2.0
_AT_PAUSE = 3.0
_AT_SEGMENT = 4.0
_AT_WORD = 8.0
_BEHIND_SHORT_WORD = 16.0
_INSIDE_WORD = 20.0
_SHORT_WORD = 3

#: A pause (ms) that is as good as a comma, and one that a cue should not hold.
_CLAUSE_PAUSE = 300
_LONG_PAUSE = 600

#: A cue that is gone before it is seen is worse than any break.
_TOO_SHORT = 300.0
_TOO_QUICK = 40.0


def break_cost(before: Piece, after: Piece) -> float:
    """Return what speaks against a break between two pieces."""
    bare = before.text.rstrip(_CLOSING)
    mark = bare[-1:]
    if mark in _SENTENCE_ENDS:
        return 0.0
    if mark in _CLAUSE_ENDS:
        return _AT_CLAUSE
    pause = after.start - before.end
    if pause >= _CLAUSE_PAUSE:
        return _AT_PAUSE
    if before.last:
        return _AT_SEGMENT
    if not after.words:
        return _INSIDE_WORD
    return _BEHIND_SHORT_WORD if after.space and width(before.atoms[-1].text) <= _SHORT_WORD else _AT_WORD


def possible_cues(pieces: Sequence[Piece], first: int, rules: SubtitleRules) -> Iterator[tuple[int, float]]:
    """Yield the places at which a cue that begins at piece `first` may end, each with its cost.

    The end of the pieces costs nothing. A single piece is a cue in any case, however wide or long it is.
    """
    start = pieces[first].start
    lines, line, words, signs, cost, before = 1, 0, 0, 0, _CUE, None
    for place in range(first, len(pieces)):
        piece = pieces[place]
        words, signs = words + piece.words, signs + len(piece.text) + piece.space
        if before is None:
            line = piece.columns
        else:
            line += piece.space + piece.columns
            if line > rules.max_line_width:
                lines, line = lines + 1, piece.columns
            if lines > rules.max_lines or piece.end - start > LONGEST_MS:
                return
            if rules.max_words is not None and words > rules.max_words:
                return
            cost += _pause_cost(before, piece)
        before = piece
        after = pieces[place + 1] if place + 1 < len(pieces) else None
        yield place + 1, cost if after is None else cost + _time_cost(after.start - start, signs, rules)


def _time_cost(shown: int, signs: int, rules: SubtitleRules) -> float:
    """Return what speaks against a cue of so many characters that the next one follows after `shown` milliseconds."""
    cost = _TOO_SHORT * (2 - shown / SHORTEST_MS) if shown < SHORTEST_MS else 0.0
    quickness = signs * 1000 / max(min(shown, LONGEST_MS), 1) / rules.max_chars_per_second
    return cost + _TOO_QUICK * min(quickness - 1, 2) if quickness > 1 else cost


def _pause_cost(before: Piece, after: Piece) -> float:
    pause = after.start - before.end
    return (min(pause, PAUSE_MS) - _LONG_PAUSE) / 100 if pause > _LONG_PAUSE else 0.0
