"""Break the text of a cue into lines: as few as it fits into, at its clauses, of like length."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from dictograph.formats.cue_costs import break_cost
from dictograph.formats.pieces import Piece

Lines = tuple[tuple[Piece, ...], ...]

#: What a line costs that is a tenth of the whole shorter than the others.
_UNEVEN = 1.5


def broken(pieces: Sequence[Piece], max_line_width: int, max_lines: int) -> Lines:
    """Return the lines of a cue. One that is too wide is a piece that nothing may break."""
    best: list[tuple[float, list[int]]] = [(0.0, [0])]  # for each place: the lowest cost of lines up to it
    whole = _columns(pieces)
    wanted = min(max(-(-whole // max_line_width), 1), max_lines)
    if wanted == 1 and whole <= max_line_width:
        return (tuple(pieces),)
    for count in range(wanted, max(max_lines, len(pieces)) + 1):
        best = _lowest(pieces, max_line_width, count, whole)
        if best[-1][1]:
            break
    cuts = best[-1][1] or list(range(len(pieces) + 1))
    return tuple(tuple(pieces[begin:end]) for begin, end in pairwise(cuts))


def _lowest(pieces: Sequence[Piece], widest: int, count: int, whole: int) -> list[tuple[float, list[int]]]:
    """Return for each place the cheapest way to have exactly `count` lines before it; without cuts if there is none."""
    ways: list[tuple[float, list[int]]] = [(0.0, [0])] + [(0.0, [])] * len(pieces)
    for _ in range(count):
        longer: list[tuple[float, list[int]]] = [(0.0, [])] * (len(pieces) + 1)
        for begin, (cost, cuts) in enumerate(ways):
            if not cuts:
                continue
            columns = 0
            for end in range(begin + 1, len(pieces) + 1):
                columns += pieces[end - 1].columns + (pieces[end - 1].space and end - 1 > begin)
                if columns > widest and end > begin + 1:
                    break
                total = cost + _line_cost(pieces, end, columns, whole / count)
                if not longer[end][1] or total < longer[end][0]:
                    longer[end] = total, [*cuts, end]
        ways = longer
    return ways


def _line_cost(pieces: Sequence[Piece], end: int, columns: int, even: float) -> float:
    uneven = _UNEVEN * 10 * abs(columns - even) / even
    return uneven + (break_cost(pieces[end - 1], pieces[end]) if end < len(pieces) else 0.0)


def _columns(pieces: Sequence[Piece]) -> int:
    return sum(piece.columns + piece.space for piece in pieces) - pieces[0].space
