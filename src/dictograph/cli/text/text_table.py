"""Plain columns that scripts can split and people can read, and the format of numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

_SIZES = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return left-aligned columns, two spaces apart, under their titles."""
    lines = [titles, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def size(count: int) -> str:
    """Return bytes in a readable unit: `483 MB`."""
    for unit, one in _SIZES:
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count} B"


def length(seconds: float | None) -> str:
    """Return seconds as hours, minutes and seconds: `1:02:03`, `2:03`; `–` if unknown."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clipped(text: str, width: int) -> str:
    """Return the text on one line of at most `width` characters."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= width else line[: width - 1] + "…"
