"""The time by which files are old: that of their own file system, for as long as it can be asked."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dictograph.blobs.folder import FolderBlobs
from dictograph.runtime.disk import time_of_files
from dictograph.service.compat.path_uploads import PathUploads

HOUR = 3600.0


def _refusing(number: int) -> Callable[..., object]:
    def refuse(**_: object) -> object:
        raise OSError(number, os.strerror(number))

    return refuse


def _ago(file: Path, seconds: float) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(b"sound")
    os.utime(file, (time.time() - seconds,) * 2)


def test_it_is_that_of_the_files_whatever_this_machine_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + HOUR)
    assert abs(time_of_files(tmp_path) - now) < HOUR / 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_on_a_full_disk_it_is_that_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _refusing(number))
    before = time.time()
    assert before <= time_of_files(tmp_path) <= time.time()


def test_who_may_make_no_file_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _refusing(errno.EACCES))
    with pytest.raises(PermissionError):
        time_of_files(tmp_path)


def test_a_full_disk_is_freed_of_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", _refusing(errno.ENOSPC))
    uploads, name = tmp_path / "uploads", "0" * 32
    _ago(tmp_path / "old/0-audio", 2 * HOUR)
    _ago(tmp_path / "new/0-audio", 0)
    _ago(uploads / name / "talk.wav", 2 * HOUR)

    async def found() -> tuple[list[str], list[str]]:
        objects = [name async for names in FolderBlobs(tmp_path).older_than(HOUR) for name in names]
        return objects, await PathUploads(uploads, 0, 0).older_than(HOUR, HOUR)

    assert asyncio.run(found()) == (["old/0-audio"], [str(uploads / name / "talk.wav")])
