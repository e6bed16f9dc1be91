"""Make subtitles from a stream of segments: cues with lines, by rule, of a transcript of any length.

Each channel has cues of its own. Its words are collected until there are enough to choose the best breaks among them;
then all cues but the last ones, which later words could change, are final. So memory does not grow with the transcript.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

from dictograph.formats.cue_costs import break_cost, possible_cues
from dictograph.formats.cue_lines import Lines, broken
from dictograph.formats.pieces import PAUSE_MS, Piece, in_order, pieces, stay_together, text_of
from dictograph.formats.subtitle_rules import LONGEST_MS, SHORTEST_MS, SubtitleRules
from dictograph.transcript import Segment

#: The number of pieces among which the best breaks are sought, and the number of cues at their end that may still
#: change.
_ENOUGH = 160
_OPEN_CUES = 3


@dataclass(frozen=True, slots=True)
class RuledCue:
    """Lines of text with their times in whole milliseconds; `end` is always after `start`."""

    start: int
    end: int
    lines: Lines
    channel: int | None = None

    @property
    def text(self) -> str:
        """Return the text, its lines parted by line ends."""
        return "\n".join(map(text_of, self.lines))


def cues_by_rule(segments: Iterable[Segment], rules: SubtitleRules) -> Iterator[RuledCue]:
    """Yield the cues of a transcript in order of their start. Those of one channel never overlap."""
    channels: dict[int | None, _Channel] = {}
    ready: list[tuple[int, int, RuledCue]] = []
    number = 0
    for segment in segments:
        channel = channels.setdefault(segment.channel, _Channel(segment.channel, rules))
        made = [*channel.add(segment), *_left_behind(channels, segment)]
        for cue in made:
            heapq.heappush(ready, (cue.start, number, cue))
            number += 1
        final = min(channel.start for channel in channels.values())
        while ready and ready[0][0] <= final:
            yield heapq.heappop(ready)[2]
    for cue in (cue for channel in channels.values() for cue in channel.finish()):
        heapq.heappush(ready, (cue.start, number, cue))
        number += 1
    while ready:
        yield heapq.heappop(ready)[2]


def _left_behind(channels: dict[int | None, _Channel], segment: Segment) -> Iterator[RuledCue]:
    """Yield the last cues of channels that have been silent for so long that what follows cannot change them."""
    now = round(segment.start * 1000)
    for key, channel in channels.items():
        if key != segment.channel:
            yield from channel.finish_before(now)


class _Channel:
    """The words of one channel that are not in a final cue yet."""

    def __init__(self, channel: int | None, rules: SubtitleRules) -> None:
        self._channel = channel
        self._rules = rules
        self._waiting: list[Piece] = []
        self._last: Piece | None = None
        self._cue: RuledCue | None = None  # its end depends on the start of the next one
        self._shown_until = 0
        self._now = 0

    @property
    def start(self) -> int:
        """The earliest start of a cue that is still to come."""
        if self._cue is not None:
            return self._cue.start
        return self._waiting[0].start if self._waiting else self._now

    def add(self, segment: Segment) -> Iterator[RuledCue]:
        """Take a segment; yield the cues that became final."""
        self._now = max(self._now, round(segment.start * 1000))
        for piece in in_order(pieces(segment), self._last):
            self._last = piece
            if self._waiting and piece.start - self._waiting[-1].end >= PAUSE_MS:
                yield from self._cut(keep=0)
            if self._waiting and stay_together(self._waiting[-1], piece, self._rules):
                self._waiting[-1] = self._waiting[-1].joined(piece)
            else:
                self._waiting.append(piece)
            if len(self._waiting) >= _ENOUGH:
                yield from self._cut(keep=_OPEN_CUES)

    def finish(self) -> Iterator[RuledCue]:
        """Yield the last cues."""
        yield from self._cut(keep=0)
        if self._cue is not None:
            yield self._cue
            self._shown_until, self._cue = self._cue.end, None

    def finish_before(self, now: int) -> Iterator[RuledCue]:
        """Yield the last cues if this channel has been silent for as long as a cue may stay on screen."""
        self._now = max(self._now, now)
        if self._last is not None and now - self._last.end > LONGEST_MS:
            yield from self.finish()

    def _cut(self, keep: int) -> Iterator[RuledCue]:
        cuts = _best_cuts(self._waiting, self._rules)
        final = cuts[: max(len(cuts) - keep, 2)]
        for begin, end in pairwise(final):
            yield from self._next(self._waiting[begin:end])
        if final:
            del self._waiting[: final[-1]]

    def _next(self, spoken: Sequence[Piece]) -> Iterator[RuledCue]:
        """Take the next cue; yield the one before, whose end is known now."""
        start = max(spoken[0].start, self._shown_until if self._cue is None else self._cue.start + 1)
        if self._cue is not None:
            yield replace(self._cue, end=min(self._cue.end, start))
        lines = broken(spoken, self._rules.max_line_width, self._rules.max_lines)
        self._cue = RuledCue(start, self._end(start, spoken), lines, self._channel)

    def _end(self, start: int, spoken: Sequence[Piece]) -> int:
        """Return the end of a cue that nothing follows: it stays until it can be read."""
        signs = sum(len(piece.text) + piece.space for piece in spoken)
        reading = ceil(signs * 1000 / self._rules.max_chars_per_second)
        return max(min(max(spoken[-1].end, start + max(reading, SHORTEST_MS)), start + LONGEST_MS), start + 1)


def _best_cuts(waiting: Sequence[Piece], rules: SubtitleRules) -> list[int]:
    """Return the places between cues, from 0 to the end, of the lowest cost; empty if there is nothing."""
    if not waiting:
        return []
    lowest: list[float] = [0.0] + [float("inf")] * len(waiting)
    cut_before = [0] * (len(waiting) + 1)
    breaks = [break_cost(before, after) for before, after in pairwise(waiting)]
    for begin in range(len(waiting)):
        so_far = lowest[begin] + (breaks[begin - 1] if begin else 0.0)
        for end, cost in possible_cues(waiting, begin, rules):
            if so_far + cost < lowest[end]:
                lowest[end], cut_before[end] = so_far + cost, begin
    cuts = [len(waiting)]
    while cuts[-1]:
        cuts.append(cut_before[cuts[-1]])
    return cuts[::-1]
