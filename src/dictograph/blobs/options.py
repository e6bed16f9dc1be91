"""What a storage needs beside its URL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class S3Options:
    """How a bucket is reached. Empty texts: as the usual chain of AWS's tools has it (environment, profile, role).

    Args:
        endpoint: the server's address; empty: AWS.
        public_endpoint: the server's address for clients, in addresses that they upload to; empty: `endpoint`.
        region: the bucket's region; empty: that of the chain, else us-east-1.
        style: where a bucket's name stands; `auto`: in the path with an own endpoint, else in the host.
        timeout: the most seconds for one request.
        origins: the web pages that may upload into a bucket that is made here.
    """

    endpoint: str = ""
    public_endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    style: Literal["auto", "path", "virtual"] = "auto"
    timeout: float = 25.0
    origins: Sequence[str] = ()


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """Options of every kind of storage.

    Args:
        reserve: the number of bytes of a disk of this machine that are left free.
        part_uploaded: called when a part of a large upload has reached the storage; for tests that end the process.
    """

    reserve: int = 0
    s3: S3Options = field(default_factory=S3Options)
    part_uploaded: Callable[[], None] = _nothing
