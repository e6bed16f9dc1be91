"""Real services on a storage that is not their database's own remove nothing from it, and say so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.needs import need
from tests.postgres import Cluster
from tests.service import ROOT, Service, eventually, service

OPTIONS = {"vad_filter": "false"}


class Place:
    """A data folder, with a database of its own, and a storage that may be shared."""

    def __init__(self, folder: Path, storage: Path, database_url: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.storage = storage
        self.database_url = database_url
        self.settings = {"database_url": database_url, "storage_url": storage, "orphan_age": "1s", "lease": "2s"}

    def run(self, *command: str) -> tuple[int, str]:
        """A command on this place; its exit code, and all that it says."""
        environment = {
            "DICTOGRAPH_DATA_DIR": str(self.folder / "data"),
            "DICTOGRAPH_DATABASE_URL": self.database_url,
            "DICTOGRAPH_STORAGE_URL": str(self.storage),
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            [sys.executable, "-m", "dictograph", *command],
            env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr

    def lose_database(self, postgres: Cluster | None) -> None:
        if postgres is not None:
            self.database_url = postgres.new_database()
            self.settings["database_url"] = self.database_url
        else:
            for file in (self.folder / "data").glob("dictograph.db*"):
                file.unlink()


@pytest.fixture(params=["sqlite", "postgresql"])
def postgres_or_none(request: pytest.FixtureRequest) -> Cluster | None:
    """The server that databases are on; None: they are files."""
    if request.param == "sqlite":
        return None
    need("pg_dump")
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster


@pytest.fixture
def places(tmp_path: Path, postgres_or_none: Cluster | None) -> tuple[Place, Place]:
    """Two services whose settings name one storage."""
    urls = ["" if postgres_or_none is None else postgres_or_none.new_database() for _ in range(2)]
    shared = tmp_path / "storage"
    return Place(tmp_path / "one", shared, urls[0]), Place(tmp_path / "two", shared, urls[1])


def stored(storage: Path, job: str) -> Path:
    (path,) = (storage / job).glob("*-audio")
    return path


def said(one: Service, words: str, *audio: Path) -> bool:
    """Whether the log has these words; all the while the audio is there."""
    assert all(path.exists() for path in audio), "audio that the other one needs was removed"
    return words in one.words_of_log()


def test_a_worker_with_a_wrong_database_and_a_second_service_remove_nothing(
    places: tuple[Place, Place], tmp_path: Path
) -> None:
    right, wrong = places
    noise = write_noise(tmp_path / "noise.wav", 2, 1)
    with service(right.folder, **right.settings) as one:
        ours = one.submit(noise, **OPTIONS)
        one.wait_for(ours)
        audio = stored(right.storage, ours)
        assert wrong.run("db", "upgrade", "--init")[0] == 0  # a SQLite file is not made beside such a storage unasked
        with service(wrong.folder, **wrong.settings) as two:
            eventually(lambda: said(two, "belongs to another database", audio), what="the wrong one says it")
            theirs = two.submit(noise, **OPTIONS)
            two.wait_for(theirs)
            other = stored(right.storage, theirs)
            eventually(lambda: said(one, "is used by another database too", audio, other), what="the right one too")
            two.wait_until_ready()
            (warning,) = two.get("/ready").json()["warnings"]
            assert "dictograph storage adopt" in warning
            assert two.words_of_log().count("belongs to another database") == 1, "it is said once"
            code, told = wrong.run("doctor")
            assert (code, "belongs to another database" in told) == (1, True), told
        code, told = right.run("storage", "adopt")
        assert (code, "1 of its 2 files have no job" in told) == (0, True), told
        eventually(lambda: not other.exists(), what="what is nobody's goes")
        assert audio.exists()
        assert right.run("storage", "show")[0] == 0


def test_a_restored_database_keeps_what_came_after_the_backup(
    places: tuple[Place, Place], tmp_path: Path, postgres_or_none: Cluster | None
) -> None:
    place, _ = places
    noise, backup = write_noise(tmp_path / "noise.wav", 2, 1), tmp_path / "backup"
    with service(place.folder, **place.settings) as one:
        before = one.submit(noise, **OPTIONS)
        one.wait_for(before)
        assert place.run("backup", str(backup))[0] == 0
        after = one.submit(noise, **OPTIONS)
        one.wait_for(after)
    old, newer = stored(place.storage, before), stored(place.storage, after)
    place.lose_database(postgres_or_none)
    code, told = place.run("restore", str(backup))
    assert code == 0, told
    with service(place.folder, **place.settings) as one:
        eventually(lambda: said(one, "is ahead of its database", old, newer), what="it does not say so")
        assert one.job(before)["status"] == "completed"
        assert place.run("storage", "show")[0] == 1
        assert newer.exists()
        assert place.run("storage", "adopt")[0] == 0
        eventually(lambda: not newer.exists(), what="it was adopted")
        assert old.exists()


def test_a_backup_to_an_empty_storage_is_its_own_again(tmp_path: Path) -> None:
    here, there = Place(tmp_path / "a", tmp_path / "a-storage", ""), Place(tmp_path / "b", tmp_path / "b-storage", "")
    noise, backup = write_noise(tmp_path / "noise.wav", 2, 1), tmp_path / "backup"
    with service(here.folder, **here.settings) as one:
        job = one.submit(noise, **OPTIONS)
        one.wait_for(job)
        assert here.run("backup", str(backup))[0] == 0
    assert there.run("restore", str(backup))[0] == 0
    code, told = there.run("storage", "show")
    assert code == 0, told
    with service(there.folder, **there.settings) as two:
        stray = there.storage / "stray" / "0-audio"
        stray.parent.mkdir()
        stray.write_bytes(b"nobody names this")
        eventually(lambda: not stray.exists(), what="nothing is swept")
        assert two.job(job)["status"] == "completed"
    other = Place(tmp_path / "c", tmp_path / "c-storage", "")
    assert other.run("db", "upgrade")[0] == 0
    code, told = other.run("backup", str(backup))
    assert (code, "backup of another database" in told) == (1, True), told
