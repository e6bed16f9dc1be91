"""The kinds of storage, chosen by the URL. No other module asks which kind is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dictograph.runtime.url_scheme import scheme_of, unknown

if TYPE_CHECKING:
    from dictograph.blobs.protocol import Blobs


def open_blobs(url: str, reserve: int = 0) -> Blobs:
    """Return the storage at a URL, or in a folder. Nothing is opened or made yet.

    Args:
        reserve: the number of bytes of a disk that are left free.

    Raises:
        ValueError: the kind is unknown, or the URL is not valid for it.
    """
    return _kind_of(url)(url, reserve)


def check_storage_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError, as `open_blobs` does."""
    open_blobs(url)
    return url


def folder_of(url: str) -> Path:
    """Return the folder that a path or a `file:` URL names, absolute. Raises ValueError for any other URL."""
    if not (scheme := scheme_of(url)):
        return Path(url).expanduser().absolute()
    if scheme != "file":
        raise unknown(scheme, "storage", _WAYS)
    parts = urlsplit(url.strip())
    if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ValueError("a `file:` URL has three slashes and a whole path, as in file:///srv/audio")
    return Path(unquote(parts.path))


def _folder(url: str, reserve: int) -> Blobs:
    from dictograph.blobs.folder import FolderBlobs  # settings are checked by commands that need no storage

    return FolderBlobs(folder_of(url), reserve)


#: A new kind is added here, and to the texts for people.
_KINDS: Mapping[str, Callable[[str, int], Blobs]] = {"": _folder, "file": _folder}
_WAYS = ("file:///FOLDER", "a folder (`./NAME` where its name has a colon)")


def _kind_of(url: str) -> Callable[[str, int], Blobs]:
    scheme = scheme_of(url)
    if scheme not in _KINDS:
        raise unknown(scheme, "storage", _WAYS)
    return _KINDS[scheme]
