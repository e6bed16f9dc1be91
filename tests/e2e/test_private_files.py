"""What a service keeps is its user's alone, whatever umask it was started with; what a command writes for its user is
as that user has it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.service import ROOT, Service, eventually

PLAIN = {"vad_filter": "false"}


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """For processes that are started meanwhile."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """The rights of all that lies in a folder, by its path there; the folder itself is `.`."""
    paths = [folder, *(Path(place, name) for place, *names in os.walk(folder) for some in names for name in some)]
    found = {}
    for path in paths:
        try:
            found[str(path.relative_to(folder))] = stat.S_IMODE(path.lstat().st_mode)
        except FileNotFoundError:
            continue  # a running service removes some
    return found


def _open(folder: Path, allowed: int) -> dict[str, str]:
    """What others than the owner may do more with than is allowed."""
    return {name: oct(mode) for name, mode in modes(folder).items() if mode & 0o077 & ~allowed}


@pytest.mark.parametrize("mask", [0o000, 0o077], ids=oct)
def test_a_service_keeps_what_it_makes_to_itself(tmp_path: Path, mask: int) -> None:
    audio = write_noise(tmp_path / "a.wav", 120, 1)
    with umask(mask):
        one = Service(tmp_path, storage_url=tmp_path / "outside" / "storage").start()
    try:
        one.wait_until_ready()
        one.behave(delay=0.5, max_batch=1)
        job = one.submit(audio, **PLAIN)
        eventually(lambda: any(name.endswith(".pcm") for name in modes(one.data)), what="decoded audio")
        assert {"dictograph.db", "dictograph.db-wal", "dictograph.db-shm"} <= modes(one.data).keys()
        assert _open(one.data, 0) == {}
        assert _open(tmp_path / "outside", 0) == {}
        assert {mode for name, mode in modes(one.data).items() if name.startswith("dictograph.db")} == {0o600}
        one.behave(delay=0)
        assert one.wait_for(job)["status"] == "completed", "the confined decoder reads what it was handed"
    finally:
        one.stop()


def test_a_group_that_was_given_the_folders_reads_what_is_made_in_them(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 20, 1)
    storage = tmp_path / "storage"
    for folder, mode in ((tmp_path / "data", 0o750), (storage, 0o755)):
        folder.mkdir()
        folder.chmod(mode)
    with umask(0o077):
        one = Service(tmp_path, storage_url=storage).start()
    try:
        one.wait_until_ready()
        assert one.wait_for(one.submit(audio, **PLAIN))["status"] == "completed"
        found = modes(one.data)
        assert (found["."], found["processes"], found["dictograph.db"], found["dictograph.db-wal"]) == (
            *(0o750, 0o750, 0o640, 0o640),
        )
        stored = modes(storage)
        assert stored.pop(".") == 0o755, "what lies outside of the data folder is the operator's"
        assert set(stored.values()) == {0o750, 0o640}
    finally:
        one.stop()


def _run(folder: Path, *arguments: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    command = [sys.executable, "-m", "dictograph", *arguments]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_backups_are_private_and_a_transcript_is_as_its_user_has_it(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 5, 1)
    with umask(0o000):
        one = Service(tmp_path).start()
    try:
        one.wait_until_ready()
        assert one.wait_for(one.submit(audio, **PLAIN))["status"] == "completed"
    finally:
        one.stop()
    with umask(0o000):
        _run(tmp_path, "backup", "saved", "--data-dir", str(one.data))
        _run(tmp_path, "restore", "saved", "--data-dir", str(tmp_path / "new"))
        _run(tmp_path, "transcribe", str(audio), "--engine", "sphinx", "--no-vad", "-o", "a.txt")
    assert len(modes(tmp_path / "saved")) > 4
    assert _open(tmp_path / "saved", 0) == {}
    assert _open(tmp_path / "new", 0) == {}
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666
