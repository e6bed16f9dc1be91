"""File names as clients gave them, made safe to show to people."""

from __future__ import annotations

import unicodedata
from urllib.parse import unquote, urlsplit

_LONGEST = 255
_UNNAMED = "audio"


def display_name(given: str) -> str:
    """Return the last part of a path or name, without characters that could mislead a reader or a terminal.

    Control and format characters (among them those that change the direction of writing), half surrogate pairs and
    unassigned code points are removed. At most 255 characters stay; the suffix is kept.
    """
    last = given.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(sign for sign in last if not unicodedata.category(sign).startswith("C"))
    clean = " ".join(clean.split())
    return _shortened(clean) if clean.strip(". ") else _UNNAMED


def name_of_url(url: str) -> str:
    """Return the file name in the path of a URL."""
    return display_name(unquote(urlsplit(url).path, errors="replace"))


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:
        return name[:_LONGEST]
    return stem[: _LONGEST - len(suffix) - 1] + dot + suffix
