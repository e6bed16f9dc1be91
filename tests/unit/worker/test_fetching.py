"""A file that another machine keeps from us holds no job for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dictograph.errors import FetchTimeout, SourceTooLarge
from dictograph.job import Source, SourceKind
from dictograph.net.fetch import FetchLimits
from dictograph.worker.fetching import SourceRules, _copy


def copy(tmp_path: Path, *, limit: int, pause: float) -> bytes:
    file, got = tmp_path / "talk.wav", bytearray()
    file.write_bytes(b"0123456789")

    async def write(data: bytes) -> None:
        await asyncio.sleep(pause)
        got.extend(data)

    rules = SourceRules(FetchLimits(max_bytes=limit, timeout=0.2), [tmp_path])
    asyncio.run(_copy(Source(SourceKind.PATH, str(file)), write, rules))
    return bytes(got)


def test_a_copy_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    assert copy(tmp_path, limit=10, pause=0) == b"0123456789"
    with pytest.raises(FetchTimeout):
        copy(tmp_path, limit=10, pause=30)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceTooLarge):
        copy(tmp_path, limit=9, pause=0)
