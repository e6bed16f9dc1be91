"""What stays of an upload when its session ends, by what is known of it then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.errors import DatabaseUnavailable, EmptyUpload, StorageFull, UploadTooLarge
from dictograph.service.upload_session import UploadSession, UploadState

NAME = "one/0-audio"


def left_by(folder: Path, use: Callable[[UploadSession], Awaitable[None]], *, hash_only: bool = False) -> list[str]:
    """The files that a session leaves behind."""

    async def run() -> None:
        async with UploadSession(FolderBlobs(folder), NAME, 1024 * 1024, hash_only=hash_only) as upload:
            await use(upload)

    asyncio.run(run())
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def in_doubt() -> DatabaseUnavailable:
    error = DatabaseUnavailable("The commit's answer was lost.")
    error.in_doubt = True
    return error


async def receive(upload: UploadSession) -> None:
    await upload.write(b"x" * 300_000)  # more than is held in memory


def test_what_was_not_finished_goes(tmp_path: Path) -> None:
    async def use(upload: UploadSession) -> None:
        await receive(upload)
        assert upload.state is UploadState.RECEIVING
        assert [path.name for path in (tmp_path / "one").iterdir()] == ["0-audio.part"]

    assert left_by(tmp_path, use) == []
    assert list(tmp_path.iterdir()) == []


def test_what_no_row_names_goes(tmp_path: Path) -> None:
    async def use(upload: UploadSession) -> None:
        await receive(upload)
        assert (await upload.store()).size == 300_000
        assert upload.state is UploadState.STORED

    assert left_by(tmp_path, use) == []


@pytest.mark.parametrize("kept", [True, False])
def test_who_decides_is_heeded(tmp_path: Path, kept: bool) -> None:
    async def use(upload: UploadSession) -> None:
        await receive(upload)
        await upload.store()
        with upload.writing_row():
            assert upload.state is UploadState.IN_DOUBT
        upload.decide(kept=kept)

    assert left_by(tmp_path, use) == ([NAME] if kept else [])


@pytest.mark.parametrize(
    ("error", "stays"),
    [
        (in_doubt(), True),
        (DatabaseUnavailable("The database is away."), False),
        (ValueError("a fault of ours"), False),
        (asyncio.CancelledError(), True),
    ],
)
def test_what_is_in_doubt_stays(tmp_path: Path, error: BaseException, stays: bool) -> None:
    async def use(upload: UploadSession) -> None:
        await receive(upload)
        await upload.store()
        with pytest.raises(type(error)), upload.writing_row():
            raise error

    assert left_by(tmp_path, use) == ([NAME] if stays else [])


def test_only_the_digest_is_taken_of_what_is_known(tmp_path: Path) -> None:
    async def use(upload: UploadSession) -> None:
        await receive(upload)
        audio = await upload.store()
        assert audio.sha256 is not None
        assert (audio.size, len(audio.sha256)) == (300_000, 64)

    assert left_by(tmp_path, use, hash_only=True) == []


@pytest.mark.parametrize(("data", "error"), [(b"", EmptyUpload), (b"x" * (1024 * 1024 + 1), UploadTooLarge)])
def test_what_cannot_be_is_refused(tmp_path: Path, data: bytes, error: type[Exception]) -> None:
    async def use(upload: UploadSession) -> None:
        await upload.write(data)
        await upload.store()

    with pytest.raises(error):
        left_by(tmp_path, use)
    assert list(tmp_path.iterdir()) == []


def test_remains_that_cannot_be_removed_hide_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(name: str) -> None:
        raise PermissionError(13, "Permission denied", name)

    async def use(upload: UploadSession) -> None:
        await receive(upload)
        await upload.store()
        monkeypatch.setattr(upload._blobs, "delete", fail)
        raise StorageFull("The storage is full.")

    with pytest.raises(StorageFull):
        left_by(tmp_path, use)
