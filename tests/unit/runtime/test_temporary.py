"""What a killed transcription left is removed; what lives, or is not ours, stays."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dictograph.runtime.temporary import remove_abandoned, temporary_data_folder

HOLD = """
import sys
from dictograph.runtime.temporary import temporary_data_folder
with temporary_data_folder() as folder:
    (folder / "recording").write_bytes(b"sound")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def holder(place: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with such a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        env={**os.environ, "TMPDIR": str(place)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_folder_stays_while_its_process_lives_and_goes_when_it_was_killed(place: Path) -> None:
    with holder(place) as (process, data):
        remove_abandoned()
        assert (data / "recording").read_bytes() == b"sound"
        process.kill()
        process.wait()
        remove_abandoned()
        assert list(place.iterdir()) == []


def test_a_new_folder_removes_what_was_left_and_then_itself(place: Path) -> None:
    with holder(place) as (process, _):
        process.kill()
        process.wait()
        with temporary_data_folder() as data:
            assert list(place.iterdir()) == [data.parent]
            assert data.parent.stat().st_mode & 0o777 == 0o700
    assert list(place.iterdir()) == []


def test_what_a_removal_that_was_cut_short_left_is_removed(place: Path) -> None:
    with holder(place) as (process, data):
        process.kill()
        process.wait()
        (data / "recording").unlink()
        data.rmdir()
        remove_abandoned()
        assert list(place.iterdir()) == []


def test_a_users_data_folder_in_that_place_is_left_alone(place: Path) -> None:
    """Its service was killed, too, and its name begins in the same way."""
    with holder(place) as (process, data):
        process.kill()
        process.wait()
        (data.parent / "dictograph.db").touch()
        remove_abandoned()
        assert (data / "recording").exists()


def test_an_unfinished_folder_and_a_link_are_left_alone(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with holder(elsewhere) as (process, data):
        process.kill()
        process.wait()
    (place / "dictograph-link").symlink_to(data.parent)
    (place / "dictograph-new").mkdir()
    remove_abandoned()
    assert (data / "recording").exists()
    assert {path.name for path in place.iterdir()} == {"dictograph-link", "dictograph-new"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_another_users_folder_is_left_alone(place: Path) -> None:
    with holder(place) as (process, data):
        process.kill()
        process.wait()
        os.chown(data.parent, 65534, 65534)
        remove_abandoned()
        assert (data / "recording").exists()
