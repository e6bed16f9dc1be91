"""What every storage does, whatever it is: a folder, and a bucket of a real S3 server."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import pytest

from dictograph.blobs.protocol import Blobs, audio_name
from dictograph.errors import NotFound, SourceChanged
from dictograph.job import StoredAudio
from tests.integration.blobs.cases import CASES, Case

Test: TypeAlias = Callable[[Blobs], Coroutine[Any, Any, None]]

#: More than a part of a multipart upload (8 MiB) and no whole number of any piece.
LARGE = os.urandom(1 << 20) * 19 + b"the end"


@pytest.fixture(params=CASES, ids=lambda case: case.name, scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture
def blobs(case: Case, request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    return case.open(request, tmp_path / "storage")


def new_name(attempt: int = 0) -> str:
    return audio_name(str(uuid4()), attempt)


async def stored(blobs: Blobs, data: bytes, name: str | None = None) -> StoredAudio:
    writer = await blobs.create(name or new_name())
    for first in range(0, len(data), 300_000):
        await writer.write(data[first : first + 300_000])
    assert writer.size == len(data)
    return await writer.commit()


async def bytes_of(blobs: Blobs, audio: StoredAudio, scratch: Path) -> bytes:
    async with blobs.local(audio, scratch) as file:
        data = file.path.read_bytes()
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        return data


async def all_names(blobs: Blobs, seconds: float = -3600) -> set[str]:
    return {name async for names in blobs.older_than(seconds) for name in names}


async def until(blobs: Blobs, name: str, *, there: bool) -> None:
    """Wait until an object is listed, or no longer: an upload goes on beside the test."""
    async with asyncio.timeout(60):
        while (name in await all_names(blobs)) is not there:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("data", [b"x", LARGE], ids=["small", "large"])
def test_an_object_is_what_was_written(blobs: Blobs, tmp_path: Path, data: bytes) -> None:
    async def test() -> None:
        audio = await stored(blobs, data)
        assert (audio.size, audio.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        head = await blobs.head(audio.name)
        assert head is not None
        assert head.size == len(data)
        assert await bytes_of(blobs, audio, tmp_path / "scratch") == data

    asyncio.run(test())


def test_a_local_file_is_gone_afterwards_or_was_never_a_copy(blobs: Blobs, tmp_path: Path) -> None:
    async def test() -> None:
        audio = await stored(blobs, b"some audio")
        async with blobs.local(audio, tmp_path / "scratch"):
            pass
        assert [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()] == []
        assert await blobs.head(audio.name) is not None

    asyncio.run(test())


def test_what_is_not_there(blobs: Blobs, tmp_path: Path) -> None:
    async def test() -> None:
        name = new_name()
        assert await blobs.head(name) is None
        with pytest.raises(NotFound):
            async with blobs.local(StoredAudio(name, None, 1), tmp_path):
                pass
        with pytest.raises(NotFound):
            [piece async for piece in blobs.open_range(name, 0, 1)]
        with pytest.raises(NotFound):
            await blobs.copy(name, new_name(), "any")
        await blobs.delete(name)

    asyncio.run(test())


@pytest.mark.parametrize("data", [b"x" * 1000, LARGE], ids=["small", "large"])
def test_an_object_has_no_name_before_it_is_committed_and_leaves_nothing(blobs: Blobs, data: bytes) -> None:
    async def test() -> None:
        name = new_name()
        writer = await blobs.create(name)
        await writer.write(data)
        assert await blobs.head(name) is None
        await writer.abort()
        assert await blobs.head(name) is None
        assert {name, f"{name}.part"} & await all_names(blobs) == set()

    asyncio.run(test())


@pytest.mark.parametrize(
    ("start", "end"), [(0, 1), (5, 5), (1_000_000, 1_000_007), (0, len(LARGE)), (len(LARGE) - 3, len(LARGE) + 9)]
)
def test_ranges(blobs: Blobs, start: int, end: int) -> None:
    async def test() -> None:
        audio = await stored(blobs, LARGE)
        pieces = [piece async for piece in blobs.open_range(audio.name, start, end)]
        assert b"".join(pieces) == LARGE[start:end]
        assert max(map(len, pieces), default=0) <= 4 << 20

    asyncio.run(test())


def test_a_copy_is_made_only_of_the_version_that_was_seen(blobs: Blobs, tmp_path: Path) -> None:
    async def test() -> None:
        source, target = new_name(), new_name()
        await stored(blobs, b"first", source)
        head = await blobs.head(source)
        assert head is not None
        copied = await blobs.copy(source, target, head.version)
        assert (copied.name, copied.sha256, copied.size) == (target, None, 5)
        await stored(blobs, b"second", source)
        with pytest.raises(SourceChanged):
            await blobs.copy(source, new_name(), head.version)
        await blobs.delete(source)
        assert await bytes_of(blobs, copied, tmp_path / "scratch") == b"first"

    asyncio.run(test())


def test_a_copy_that_did_not_hold_leaves_nothing(blobs: Blobs) -> None:
    async def test() -> None:
        audio, target = await stored(blobs, b"something"), new_name()
        with pytest.raises(SourceChanged):
            await blobs.copy(audio.name, target, "another version")
        assert await blobs.head(target) is None

    asyncio.run(test())


def test_deleting_may_be_repeated(blobs: Blobs) -> None:
    async def test() -> None:
        audio = await stored(blobs, b"something")
        await blobs.delete(audio.name)
        await blobs.delete(audio.name)
        assert await blobs.head(audio.name) is None

    asyncio.run(test())


def test_objects_are_found_by_their_age_and_unfinished_ones_too(blobs: Blobs) -> None:
    async def test() -> None:
        audio, name = await stored(blobs, b"something"), new_name()
        writer = await blobs.create(name)
        await writer.write(LARGE)
        await until(blobs, f"{name}.part", there=True)
        assert audio.name in await all_names(blobs)
        assert {audio.name, f"{name}.part"} & await all_names(blobs, 3600) == set()
        await writer.abort()

    asyncio.run(test())


def test_an_unfinished_object_is_removed_by_its_name(blobs: Blobs) -> None:
    """As the pruner does with what a killed process left."""

    async def test() -> None:
        name = new_name()
        writer = await blobs.create(name)
        await writer.write(LARGE)
        await until(blobs, f"{name}.part", there=True)
        await blobs.delete(f"{name}.part")
        await until(blobs, f"{name}.part", there=False)
        await writer.abort()

    asyncio.run(test())


def test_notes_are_no_objects(blobs: Blobs) -> None:
    async def test() -> None:
        assert await blobs.is_empty()
        await blobs.write_note("owner.json", b"one")
        await blobs.write_note("owner.json", b"two")
        await blobs.write_note("other-x.json", b"three")
        assert dict(await blobs.notes()) == {"owner.json": b"two", "other-x.json": b"three"}
        assert await blobs.is_empty()
        assert await all_names(blobs) == set()
        await blobs.remove_note("other-x.json")
        await blobs.remove_note("other-x.json")
        assert list(await blobs.notes()) == ["owner.json"]
        await stored(blobs, b"something")
        assert not await blobs.is_empty()

    asyncio.run(test())


def test_the_check_leaves_nothing(blobs: Blobs) -> None:
    async def test() -> None:
        await blobs.check()
        await blobs.check_room()
        assert await all_names(blobs) == set()

    asyncio.run(test())


def test_urls_of_elsewhere_are_none_of_the_storage(blobs: Blobs) -> None:
    assert blobs.find("https://example.org/a.mp3") is None
