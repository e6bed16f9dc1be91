"""The kinds of storage, chosen by the URL. No other module asks which kind is in use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dictograph.blobs.options import StorageOptions
from dictograph.runtime.url_scheme import scheme_of, unknown

if TYPE_CHECKING:
    from dictograph.blobs.protocol import Blobs


def open_blobs(url: str, options: StorageOptions | None = None) -> Blobs:
    """Return the storage at a URL, or in a folder. Nothing is opened or made yet.

    Raises:
        ValueError: the kind is unknown, or the URL is not valid for it.
    """
    return _kind_of(url)(url, options or StorageOptions())


def check_storage_url(url: str) -> str:
    """Return the URL unchanged. Raises ValueError, as `open_blobs` does; a library that is missing is one reason."""
    if scheme_of(url) == "s3":
        _check_s3(url)
    else:
        open_blobs(url)
    return url


def folder_of(url: str) -> Path | None:
    """Return the folder that a path or a `file:` URL names, absolute; None for a bucket. Raises ValueError."""
    if not (scheme := scheme_of(url)):
        return Path(url).expanduser().absolute()
    if scheme != "file":
        _kind_of(url)
        return None
    parts = urlsplit(url.strip())
    if parts.netloc.lower() not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        raise ValueError("a `file:` URL has three slashes and a whole path, as in file:///srv/audio")
    return Path(unquote(parts.path))


def _folder(url: str, options: StorageOptions) -> Blobs:
    from dictograph.blobs.folder import FolderBlobs  # settings are checked by commands that need no storage

    folder = folder_of(url)
    assert folder is not None
    return FolderBlobs(folder, options.reserve)


def _s3(url: str, options: StorageOptions) -> Blobs:
    _check_s3(url)
    from dictograph.blobs.s3.address import BucketAddress
    from dictograph.blobs.s3.blobs import S3Blobs  # its libraries are an extra, and take half a second

    return S3Blobs(BucketAddress.parse(url), options)


def _check_s3(url: str) -> None:
    from dictograph.blobs.s3.address import BucketAddress

    BucketAddress.parse(url)
    if lacking := [name for name in ("boto3", "obstore") if find_spec(name) is None]:
        raise ValueError(f'{" and ".join(lacking)} must be installed for it: pip install "dictograph[s3]"')


#: A new kind is added here, and to the texts for people.
_KINDS: Mapping[str, Callable[[str, StorageOptions], Blobs]] = {"": _folder, "file": _folder, "s3": _s3}
_WAYS = ("file:///FOLDER", "a folder (`./NAME` where its name has a colon)", "s3://BUCKET/PREFIX")


def _kind_of(url: str) -> Callable[[str, StorageOptions], Blobs]:
    scheme = scheme_of(url)
    if scheme not in _KINDS:
        raise unknown(scheme, "storage", _WAYS)
    return _KINDS[scheme]
