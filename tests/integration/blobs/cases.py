"""The storages that have to pass the conformance suite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import Blobs
from dictograph.blobs.s3.address import BucketAddress
from dictograph.blobs.s3.blobs import S3Blobs
from tests.s3 import S3Server


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of storage: `open` gives an empty one."""

    name: str
    open: Callable[[pytest.FixtureRequest, Path], Blobs]


def _folder(request: pytest.FixtureRequest, place: Path) -> Blobs:
    return FolderBlobs(place)


def _s3(request: pytest.FixtureRequest, place: Path) -> Blobs:
    server: S3Server = request.getfixturevalue("s3")
    blobs = S3Blobs(BucketAddress(server.new_bucket(), "some/prefix/"), server.options())
    asyncio.run(blobs.prepare())
    return blobs


CASES = (Case("folder", _folder), Case("s3", _s3))
