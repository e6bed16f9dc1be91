"""Where a bucket is: its URL in the settings, and the URLs by which clients name what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from dictograph.blobs.protocol import NOTES, OBJECT, UPLOAD
from dictograph.errors import InvalidRequest

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")

#: AWS's own hosts: path style, and with the bucket before it.
_AWS = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(?:\.cn)?")

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket, and the prefix of all our keys in it (empty, or with a slash at its end)."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> BucketAddress:
        """Return the address of `s3://BUCKET[/PREFIX]`. Raises ValueError."""
        bucket, _, prefix = url.strip()[len("s3://") :].partition("/")
        prefix = prefix.strip("/")
        if not url.strip().lower().startswith("s3://") or not _BUCKET.fullmatch(bucket):
            raise ValueError("give s3://BUCKET or s3://BUCKET/PREFIX, with the name of a bucket in small letters")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ValueError("a prefix has letters, digits and `_.=-`, with slashes between its parts")
        return cls(bucket, f"{prefix}/" if prefix else "")

    def key(self, location: str) -> str:
        """Return the key of a location: a name of ours, or `/` and a key of the bucket."""
        return location[1:] if location.startswith("/") else self.prefix + location

    def location(self, key: str) -> str:
        """Return the location of a key that a client named.

        Raises:
            InvalidRequest: it is the audio of a job, or a note of the storage.
        """
        name = key.removeprefix(self.prefix) if key.startswith(self.prefix) else ""
        if UPLOAD.fullmatch(name):
            return name
        if OBJECT.fullmatch(name) or name.startswith(f"{NOTES}/"):
            raise InvalidRequest("`url` names an object that belongs to this service alone.", param="url")
        return f"/{key}"


def find_key(bucket: str, endpoints: tuple[str, ...], url: str) -> str | None:
    """Return the key that a URL names in this bucket; None if it is a URL of elsewhere. A signature is not looked at.

    Args:
        endpoints: the addresses of the server, for this service and for clients; empty: AWS.

    Raises:
        InvalidRequest: it is an `s3:` URL of another bucket, or of no object.
    """
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() == "s3":
        if parts.netloc != bucket:
            raise InvalidRequest("`url` is in a bucket that this service does not read.", param="url")
        return _whole(url.strip().split("/", 3)[3] if url.strip().count("/") >= 3 else "")
    for path in _paths_in(bucket, endpoints, parts):
        return _whole(unquote(path))
    return None


def _paths_in(bucket: str, endpoints: tuple[str, ...], parts: SplitResult) -> Iterator[str]:
    """Yield the path in the bucket, if the host is that of the bucket."""
    if parts.scheme.lower() not in _PORTS or not parts.hostname:
        return
    plain = parts.path.removeprefix("/")
    in_path = plain.removeprefix(f"{bucket}/") if plain.startswith(f"{bucket}/") else None
    if (found := _AWS.fullmatch(parts.hostname)) and not endpoints:
        if found["bucket"] == bucket:
            yield plain
        elif found["bucket"] is None and in_path is not None:
            yield in_path
    for endpoint in endpoints:
        host, port = _place(urlsplit(endpoint))
        if _place(parts) == (host, port) and in_path is not None:
            yield in_path
        elif _place(parts) == (f"{bucket}.{host}", port):
            yield plain


def _place(parts: SplitResult) -> tuple[str, int]:
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme.lower(), 0)


def _whole(key: str) -> str:
    if not key or key.endswith("/") or "\0" in key:
        raise InvalidRequest("`url` names no object of the bucket.", param="url")
    return key
