"""The scheme of a setting that selects a component by its URL."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def scheme_of(url: str) -> str:
    """Return the scheme in small letters; "" if there is none: then the text is a path.

    A colon before the first slash ends a scheme. A relative folder with one in its name is written `./NAME`.
    """
    head = url.strip().replace("\\", "/").partition("/")[0]
    return head.partition(":")[0].lower() if ":" in head else ""


def plain_folder(text: str) -> Path:
    """Return the folder that a path names, absolute. Raises ValueError for a URL, of any kind."""
    if scheme_of(text) and "://" in text:
        raise ValueError("this is a URL; give a folder")
    return Path(text).expanduser().absolute()


def unknown(scheme: str, what: str, known: Iterable[str]) -> ValueError:
    """Return the error that names an unknown scheme and lists the known ones."""
    return ValueError(f"there is no {what} of the kind `{scheme}:`; give {' or '.join(known)}")
