"""Objects in a folder: nothing has its name before it is whole, and nothing is left behind."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import time
from pathlib import Path

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.blobs.protocol import BlobWriter, audio_name
from dictograph.errors import NotFound, StorageFull, StorageUnavailable
from dictograph.job import StoredAudio

NAME = audio_name("job", 2)


async def stored(blobs: FolderBlobs, name: str, *parts: bytes) -> StoredAudio:
    writer = await blobs.create(name)
    for part in parts:
        await writer.write(part)
    return await writer.commit()


async def filled(writer: BlobWriter, size: int) -> None:
    await writer.write(b"x" * size)
    await writer.commit()


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


async def names_older_than(blobs: FolderBlobs, seconds: float) -> list[str]:
    return sorted([name async for names in blobs.older_than(seconds) for name in names])


def test_an_object_is_what_was_written_with_its_hash_and_size(tmp_path: Path) -> None:
    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        audio = await stored(blobs, NAME, b"one", b"", b"two")
        assert audio == StoredAudio("job/2-audio", hashlib.sha256(b"onetwo").hexdigest(), 6)
        async with blobs.local(StoredAudio(NAME, None, 0), tmp_path) as file:
            assert file.path.read_bytes() == b"onetwo"

    asyncio.run(main())


def test_an_object_has_no_name_before_it_is_committed(tmp_path: Path) -> None:
    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        writer = await blobs.create(NAME)
        await writer.write(b"half")
        with pytest.raises(NotFound):
            await blobs.local(StoredAudio(NAME, None, 0), tmp_path).__aenter__()
        assert files(tmp_path) == ["job", "job/2-audio.part"]
        await writer.abort()
        assert files(tmp_path) == []

    asyncio.run(main())


def test_attempts_do_not_overwrite_each_other(tmp_path: Path) -> None:
    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        await stored(blobs, audio_name("job", 1), b"old")
        await stored(blobs, audio_name("job", 2), b"new")
        async with blobs.local(StoredAudio(audio_name("job", 1), None, 0), tmp_path) as file:
            assert file.path.read_bytes() == b"old"

    asyncio.run(main())


def test_deleting_leaves_no_empty_folder_and_may_be_repeated(tmp_path: Path) -> None:
    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        await stored(blobs, "job/1-audio", b"a")
        await stored(blobs, "job/2-audio", b"b")
        await blobs.delete("job/1-audio")
        assert files(tmp_path) == ["job", "job/2-audio"]
        await blobs.delete("job/2-audio")
        await blobs.delete("job/2-audio")
        await blobs.delete("never/1-audio")
        assert files(tmp_path) == []

    asyncio.run(main())


def test_old_objects_are_found_unfinished_ones_too(tmp_path: Path) -> None:
    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        await stored(blobs, "a/0-audio", b"a")
        unfinished = await blobs.create("b/0-audio")
        await stored(blobs, "c/0-audio", b"c")
        for name in ("a/0-audio", "b/0-audio.part"):
            os.utime(tmp_path / name, (1, 1))
        assert await names_older_than(blobs, 3600) == ["a/0-audio", "b/0-audio.part"]
        assert len(await names_older_than(blobs, -60)) == 3
        await unfinished.abort()

    asyncio.run(main())


def test_a_clock_that_is_ahead_makes_no_object_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The storage is another machine's, and so are the times of its files; or somebody has set the clock wrong."""

    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        upload = await blobs.create("a/0-audio")
        await upload.write(b"the first half")
        await stored(blobs, "old/0-audio", b"a")
        os.utime(tmp_path / "old/0-audio", (1, 1))
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 7200)
        assert await names_older_than(blobs, 3600) == ["old/0-audio"]
        monkeypatch.setattr(time, "time", lambda: 0.0)
        assert await names_older_than(blobs, 3600) == ["old/0-audio"]
        await upload.abort()
        assert files(tmp_path) == ["old", "old/0-audio"], "what told the time is gone"

    asyncio.run(main())


def test_files_of_somebody_else_are_not_among_the_objects(tmp_path: Path) -> None:
    """The folder may be that of an older system's uploads, and what is old and unnamed is removed."""

    async def main() -> None:
        blobs = FolderBlobs(tmp_path)
        await stored(blobs, "a/0-audio", b"a")
        for name in ("talk.mp3", "0-audio", "old/talk.mp3", "old/deep/0-audio", "old/0-audio.mp3"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"theirs")
        assert await names_older_than(blobs, -60) == ["a/0-audio"]

    asyncio.run(main())


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert asyncio.run(names_older_than(FolderBlobs(tmp_path / "none"), 0)) == []


def test_the_check_leaves_nothing_behind(tmp_path: Path) -> None:
    asyncio.run(FolderBlobs(tmp_path).check())
    assert files(tmp_path) == []


def test_a_storage_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        asyncio.run(FolderBlobs(tmp_path / "file").check())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here to be out of space on")
@pytest.mark.parametrize("size", [1, 2**20], ids=["found out when it is committed", "found out while writing"])
def test_a_full_storage_has_its_own_name(tmp_path: Path, size: int) -> None:
    async def main() -> None:
        (tmp_path / "job").mkdir()
        (tmp_path / "job/2-audio.part").symlink_to("/dev/full")
        writer = await FolderBlobs(tmp_path).create(NAME)
        with pytest.raises(StorageFull) as caught:
            await filled(writer, size)
        assert isinstance(caught.value.__cause__, OSError)
        assert caught.value.__cause__.errno == errno.ENOSPC
        await writer.abort()
        assert files(tmp_path) == []

    asyncio.run(main())


def test_the_last_of_the_disk_is_left_to_the_database(tmp_path: Path) -> None:
    async def run() -> None:
        blobs = FolderBlobs(tmp_path, reserve=2**62)
        with pytest.raises(StorageFull):
            await blobs.check_room()
        writer = await blobs.create("job/0-audio")
        with pytest.raises(StorageFull):
            await writer.write(b"sound")
        await writer.abort()

    asyncio.run(run())
    assert list(tmp_path.iterdir()) == []
