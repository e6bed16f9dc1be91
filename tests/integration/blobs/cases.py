"""The storages that have to pass the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import Blobs


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of storage: `open` gives an empty one."""

    name: str
    open: Callable[[pytest.FixtureRequest, Path], Blobs]


def _folder(request: pytest.FixtureRequest, place: Path) -> Blobs:
    return FolderBlobs(place)


CASES = (Case("folder", _folder),)
