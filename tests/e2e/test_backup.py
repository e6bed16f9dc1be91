"""A service is saved while it works, lost with its disk, and brought back: no job is missing, none is done twice."""

from __future__ import annotations

import json
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
    """Where a service lives: a data folder, and perhaps a database elsewhere."""

    def __init__(self, folder: Path, database_url: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.settings = {"lease": "2s", "database_url": database_url}

    def run(self, command: str, backup: Path) -> tuple[int, str]:
        """`dictograph backup` or `restore`; its exit code, and all that it says."""
        environment = {
            "DICTOGRAPH_DATA_DIR": str(self.folder / "data"),
            "DICTOGRAPH_DATABASE_URL": str(self.settings["database_url"]),
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
        }
        done = subprocess.run(
            [sys.executable, "-m", "dictograph", command, str(backup)],
            env=environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, Place]:
    """Where the service is, and where it is to be after the disaster."""
    if request.param == "sqlite":
        return Place(tmp_path / "old", ""), Place(tmp_path / "new", "")
    need("pg_dump")
    postgres: Cluster = request.getfixturevalue("postgres")
    return Place(tmp_path / "old", postgres.new_database()), Place(tmp_path / "new", postgres.new_database())


def test_a_service_that_was_saved_while_it_worked_is_brought_back(places: tuple[Place, Place], tmp_path: Path) -> None:
    old, new = places
    backup = tmp_path / "backup"
    audio = [write_noise(old.folder / f"{seed}.wav", seconds, seed) for seed, seconds in enumerate((20, 200, 40))]
    with service(old.folder, concurrency=1, **old.settings) as one:
        done = one.submit(audio[0], **OPTIONS)
        one.wait_for(done)
        text = one.transcript(done)
        one.behave(delay=0.3, max_batch=1)
        jobs = [one.submit(file, **OPTIONS) for file in audio[1:]]
        eventually(lambda: one.job(jobs[0])["progress"] > 0.2, what="a job in the middle of its work")
        code, said = old.run("backup", backup)
        assert (code, "3 audio files" in said) == (0, True), said
        assert (backup.stat().st_mode & 0o077) == 0, "others can read it"
        one.kill()

    code, said = new.run("restore", backup)
    assert code == 0, said
    with service(new.folder, **new.settings) as two:
        ended = [two.wait_for(job) for job in jobs]
        assert [job["status"] for job in ended] == ["completed", "completed"]
        assert (two.job(done)["status"], two.transcript(done)) == ("completed", text)
        again = two.submit(audio[2], **OPTIONS)
        two.wait_for(again)
        assert two.transcript(jobs[1], "txt") == two.transcript(again, "txt")


def test_a_second_backup_copies_what_is_new_and_drops_what_is_gone(places: tuple[Place, Place], tmp_path: Path) -> None:
    place, _ = places
    backup = tmp_path / "backup"
    audio = write_noise(tmp_path / "noise.wav", 2, 1)
    with service(place.folder, **place.settings) as one:
        first, second = (one.submit(audio, **OPTIONS) for _ in range(2))
        for job in (first, second):
            one.wait_for(job)
        assert "2 audio files" in (said := place.run("backup", backup)[1]), said
        assert _delete(one, first) == 204
        third = one.submit(audio, **OPTIONS)
        assert ", 1 of them copied now" in (said := place.run("backup", backup)[1]), said
    assert {path.parent.name for path in (backup / "blobs").rglob("*-audio")} == {second, third}


def test_what_cannot_be_saved_or_restored_is_said_and_touches_nothing(
    places: tuple[Place, Place], tmp_path: Path
) -> None:
    place, other = places
    code, said = place.run("backup", tmp_path / "backup")
    assert (code, "no database" in said) == (1, True), said
    code, said = place.run("restore", tmp_path / "backup")
    assert (code, "no whole backup" in said) == (1, True), said
    with service(place.folder, **place.settings) as one:
        job = one.submit(write_noise(tmp_path / "noise.wav", 2, 1), **OPTIONS)
        one.wait_for(job)
        assert place.run("backup", tmp_path / "backup")[0] == 0
        code, said = place.run("restore", tmp_path / "backup")
        assert (code, "There is a database already" in said) == (1, True), said
        assert one.job(job)["status"] == "completed"
    manifest = tmp_path / "backup" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"revision": "9999"}))
    code, said = other.run("restore", tmp_path / "backup")
    assert (code, "does not know" in said) == (1, True), said
    assert not (other.folder / "data").exists()


def test_a_damaged_object_is_counted_and_never_saved(tmp_path: Path) -> None:
    place, backup = Place(tmp_path / "old", ""), tmp_path / "backup"
    with service(place.folder, **place.settings) as one:
        job = one.submit(write_noise(tmp_path / "noise.wav", 2, 1), **OPTIONS)
        one.wait_for(job)
        stored = next((one.data / "blobs").rglob("*-audio"))
        stored.write_bytes(stored.read_bytes()[:-1] + b"x")
        code, said = place.run("backup", backup)
    assert (code, "1 were missing or damaged" in said) == (0, True), said
    assert not list((backup / "blobs").rglob("*-audio"))


def _delete(one: Service, job: str) -> int:
    import httpx

    return httpx.delete(f"{one.base}/v1/transcriptions/{job}", timeout=30).status_code
