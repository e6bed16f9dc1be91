"""Segments as pieces: the smallest parts of a text that stay together, each with its times."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from dictograph.abbreviations import belongs_to_next
from dictograph.formats.line_breaks import is_spaceless, unbroken
from dictograph.formats.lines import one_line
from dictograph.formats.subtitle_rules import SubtitleRules
from dictograph.text_width import width
from dictograph.transcript import Segment

#: How far a word may be from where it is expected in the text of its segment, in characters.
_ASTRAY = 60

#: A pause (ms) that ends a cue in any case, also behind an abbreviation.
PAUSE_MS = 3_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that is never broken. Times are whole milliseconds.

    `columns`: its width. `space`: whether a space stands before it. `words`: the number of words that begin in it.
    `last`: whether its segment ends with it. `parts`: the pieces of which it was made, where there are several.
    """

    text: str
    start: int
    end: int
    columns: int
    space: bool = True
    words: int = 1
    last: bool = False
    parts: tuple[Piece, ...] = ()

    @property
    def atoms(self) -> tuple[Piece, ...]:
        return self.parts or (self,)

    def joined(self, other: Piece) -> Piece:
        """Return both as one piece."""
        text = f"{self.text} {other.text}" if other.space else self.text + other.text
        parts = (*self.atoms, *other.atoms)
        columns = self.columns + other.space + other.columns
        return Piece(text, self.start, other.end, columns, self.space, self.words + other.words, other.last, parts)


def pieces(segment: Segment) -> Iterator[Piece]:
    """Yield the pieces of a segment. Where a word has no times, they are interpolated by the width of the text."""
    text = one_line(segment.text)
    if not text:
        return
    clock = _Clock(text, segment)
    for begin, end in unbroken(text):
        space = begin == 0 or text[begin - 1] == " "
        starts = space or clock.begins_word(begin)
        part, last = text[begin:end], end == len(text)
        yield Piece(part, clock.start_at(begin), clock.end_at(end), width(part), space, int(starts), last)


def in_order(given: Iterable[Piece], before: Piece | None) -> Iterator[Piece]:
    """Yield pieces that follow `before`: no time runs backwards, and no space stands between ideographs."""
    for piece in given:
        if before is not None:
            start = max(piece.start, before.start)
            space = piece.space and not (is_spaceless(before.text[-1]) and is_spaceless(piece.text[0]))
            if (start, space) != (piece.start, piece.space):
                piece = replace(piece, start=start, end=max(piece.end, start), space=space)  # noqa: PLW2901 - corrected
        before = piece
        yield piece


def stay_together(first: Piece, second: Piece, rules: SubtitleRules) -> bool:
    """Tell whether the first piece is an abbreviation that belongs to the second one, and both fit on a line."""
    if not belongs_to_next(first.atoms[-1].text, second.text) or second.start - first.end >= PAUSE_MS:
        return False
    few = rules.max_words is None or first.words + second.words <= rules.max_words
    return few and first.columns + 1 + second.columns <= rules.max_line_width


class _Clock:
    """The time of each place in a text, from the times of its words."""

    def __init__(self, text: str, segment: Segment) -> None:
        self._columns = list(accumulate(map(width, text), initial=0))
        self._froms: list[int] = []
        self._tos: list[int] = []
        self._times: list[tuple[int, int]] = []
        first, last = _milliseconds(segment.start), _milliseconds(segment.end)
        for begin, end, start, stop in _found(text, segment):
            self._add(begin, end, start, stop)
        if not self._froms:
            self._add(0, len(text), first, last)
        self._first, self._last = min(first, self._times[0][0]), max(last, self._times[-1][1])
        self._known = bool(segment.words)

    def begins_word(self, place: int) -> bool:
        """Tell whether a word begins here, as far as the engine said where words begin."""
        at = bisect_left(self._froms, place)
        return not self._known or (at < len(self._froms) and self._froms[at] == place)

    def start_at(self, place: int) -> int:
        at = bisect_right(self._froms, place) - 1
        if at < 0:
            return self._between(0, self._froms[0], self._first, self._times[0][0], place)
        if place < self._tos[at]:
            return self._between(self._froms[at], self._tos[at], *self._times[at], place)
        return self._outside(at, place)

    def end_at(self, place: int) -> int:
        at = bisect_left(self._tos, place)
        if at < len(self._tos) and place > self._froms[at]:
            return self._between(self._froms[at], self._tos[at], *self._times[at], place)
        return self._outside(at - 1, place)

    def _add(self, begin: int, end: int, start: int, stop: int) -> None:
        start = max(start, self._times[-1][1] if self._times else 0)
        self._froms.append(begin)
        self._tos.append(end)
        self._times.append((start, max(stop, start)))

    def _outside(self, at: int, place: int) -> int:
        """Return the time of a place behind word `at` and before the next one."""
        begin, start = (self._tos[at], self._times[at][1]) if at >= 0 else (0, self._first)
        if at + 1 < len(self._froms):
            return self._between(begin, self._froms[at + 1], start, self._times[at + 1][0], place)
        return self._between(begin, len(self._columns) - 1, start, self._last, place)

    def _between(self, begin: int, end: int, start: int, stop: int, place: int) -> int:
        whole = self._columns[end] - self._columns[begin]
        done = self._columns[place] - self._columns[begin]
        return start + (stop - start) * done // whole if whole else start


def _found(text: str, segment: Segment) -> Iterator[tuple[int, int, int, int]]:
    """Yield where the words stand in the text, with their times. A word that does not stand there is left out."""
    place = 0
    for word in segment.words:
        said = one_line(word.word)
        at = text.find(said, place, place + len(said) + _ASTRAY) if said else -1
        if at >= 0:
            place = at + len(said)
            yield at, place, _milliseconds(word.start), _milliseconds(word.end)


def _milliseconds(seconds: float) -> int:
    return max(round(seconds * 1000), 0)


def text_of(line: Sequence[Piece]) -> str:
    """Return the text of the pieces of a line."""
    return "".join(f" {piece.text}" if piece.space and place else piece.text for place, piece in enumerate(line))
