"""The format of a transcript for a client: by name, else by its Accept header."""

from __future__ import annotations

import re

from dictograph.api.error_responses import NotAcceptable
from dictograph.formats import FORMATS, Format

#: The format for `*/*`. Types of equal weight come after it, in the order of the list of formats.
_DEFAULT = "json"

#: A weight. Often it is written with more digits than it may have, or without its zero: this is accepted.
_WEIGHT = re.compile(r"[01]\.?|[01]?\.[0-9]+")


def choose_format(name: str | None, accept: str | None) -> Format:
    """Return the format to answer with. A name overrides the Accept header.

    Raises:
        NotAcceptable: there is no format of this name, or of the accepted types.
    """
    if name is not None:
        if name not in FORMATS:
            raise NotAcceptable(
                f"There is no format {name[:50]!r}. Choose one of: {', '.join(FORMATS)}.", param="format"
            )
        return FORMATS[name]
    if not (accept or "").strip():
        return FORMATS[_DEFAULT]
    ranges = _ranges(accept or "")
    by_type = _by_media_type()
    best = max(by_type, key=lambda media_type: _weight(media_type, ranges))
    if _weight(best, ranges) <= 0:
        raise NotAcceptable(f"A transcript can be had as {', '.join(by_type)}; or name a `format`.", param="Accept")
    return by_type[best]


def _by_media_type() -> dict[str, Format]:
    """Return the format of each media type, in order of preference: of several with one type, the first."""
    by_type: dict[str, Format] = {}
    for format in (FORMATS[_DEFAULT], *FORMATS.values()):
        by_type.setdefault(format.media_type, format)
    return by_type


def _ranges(accept: str) -> dict[str, float]:
    """Return the media ranges of an Accept header with their weights (RFC 9110, section 12.5.1)."""
    ranges = {}
    for part in accept.split(",")[:64]:
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        ranges[kind] = min(float(weight), 1.0) if _WEIGHT.fullmatch(weight) else 1.0
    return ranges


def _weight(media_type: str, ranges: dict[str, float]) -> float:
    """Return the weight that the most specific range gives to a type."""
    group = media_type.partition("/")[0]
    for kind in (media_type, f"{group}/*", "*/*"):
        if kind in ranges:
            return ranges[kind]
    return 0.0
