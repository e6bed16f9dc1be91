"""The file of a database is moved, replaced or damaged under a running service, which says so and loses nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from dictograph.store.migrate import upgrade
from tests.audio_files import write_noise
from tests.service import ROOT, Service, ask, eventually, service

PLAIN = {"vad_filter": "false"}


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "a.wav", 20, 1)


def _upload(one: Service, audio: Path) -> httpx.Response:
    with audio.open("rb") as file:
        return one.post("/v1/transcriptions", files={"file": (audio.name, file)}, data=PLAIN)


def _refused(one: Service, audio: Path, code: str) -> None:
    answer = _upload(one, audio)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, code), answer.text
    ready = one.get("/ready")
    assert (ready.status_code, "dictograph.db" in ready.json()["reason"]) == (503, False), "a client learns no folder"


def test_a_database_that_is_moved_away_takes_nothing_and_comes_back_whole(tmp_path: Path, audio: Path) -> None:
    with service(tmp_path) as one:
        one.wait_until_ready()
        done = one.submit(audio, **PLAIN)
        assert one.wait_for(done)["status"] == "completed"
        file, away = one.data / "dictograph.db", tmp_path / "away.db"
        file.rename(away)

        _refused(one, audio, "database_missing")
        assert not file.exists(), "a running service makes no database"
        assert str(file) in one.words_of_log(), "the operator learns which"
        eventually(lambda: not (one.data / "dictograph.db-wal").exists() or not _size(one.data / "dictograph.db-wal"))
        copy = tmp_path / "copy.db"
        shutil.copy(away, copy)
        assert ask(f"sqlite:///{copy}", "SELECT id, status FROM transcription_job") == [(done, "completed")]

        away.rename(file)
        eventually(lambda: one.get("/ready").status_code == 200, what="it finds its database again")
        assert one.job(done)["status"] == "completed"
        assert one.wait_for(one.submit(audio, **PLAIN))["status"] == "completed"
        assert "Traceback" not in one.words_of_log()
        assert one.stop() == 0
    assert len(one.rows("SELECT id FROM transcription_job")) == 2


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def test_a_database_that_is_replaced_is_not_written_to(tmp_path: Path, audio: Path) -> None:
    with service(tmp_path) as one:
        one.wait_until_ready()
        done = one.submit(audio, **PLAIN)
        assert one.wait_for(done)["status"] == "completed"
        file, away, other = one.data / "dictograph.db", tmp_path / "away.db", tmp_path / "other.db"
        upgrade(f"sqlite:///{other}")
        before = other.read_bytes()
        file.rename(away)
        other.rename(file)

        _refused(one, audio, "database_replaced")
        assert one.stop() == 0
        assert file.read_bytes() == before, "nothing was written to what was put there"
    with service(tmp_path, name="second") as one:  # a new start works on what is there now
        assert one.get("/v1/transcriptions").json()["data"] == []
        assert one.stop() == 0
    file.unlink()
    away.rename(file)
    with service(tmp_path, name="third") as one:
        assert one.job(done)["status"] == "completed"


def test_a_damaged_database_is_not_ready(tmp_path: Path, audio: Path) -> None:
    with service(tmp_path) as one:
        one.wait_until_ready()
        assert one.wait_for(one.submit(audio, **PLAIN))["status"] == "completed"
        with (one.data / "dictograph.db").open("r+b") as file:
            file.write(b"\0" * 8192)
        ready = one.get("/ready")
        assert (ready.status_code, "database" in ready.json()["reason"]) == (503, True), ready.text


def _cli(*arguments: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dictograph", *arguments],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **variables},
        cwd=home, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "keys create",
        "keys list",
        "keys revoke x",
        "keys rotate x",
        "jobs list",
        "dead list",
        "workers",
        "webhooks deliveries",
        "webhooks secret show",
        "db current",
        "backup saved",
    ],
)
def test_no_command_makes_a_database_by_looking(tmp_path: Path, command: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = _cli(*command.split(), home=home)
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    assert "no database" in done.stderr
    assert "--data-dir" in done.stderr
    assert list(home.rglob("*")) == []


def test_a_key_for_a_database_to_come_is_made_when_it_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    refused = _cli("keys", "create", home=home)
    assert "--init" in refused.stderr
    done = _cli("keys", "create", "--init", home=home)
    assert (done.returncode, done.stdout[:3]) == (0, "dg_"), done.stderr
    assert str(home / ".local/share/dictograph/dictograph.db") in done.stderr


def test_commands_say_which_database_they_work_on_and_whether_somebody_lives_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    upgrade(f"sqlite:///{tmp_path / 'data' / 'dictograph.db'}")
    told = _cli("keys", "list", "--data-dir", str(tmp_path / "data"), home=home).stderr
    assert str(tmp_path / "data" / "dictograph.db") in told
    assert "no process" in told
    with service(tmp_path) as one:
        one.wait_until_up()
        told = _cli("keys", "list", "--data-dir", str(tmp_path / "data"), home=home).stderr
        assert str(tmp_path / "data" / "dictograph.db") in told
        assert "no process" not in told


def test_the_settings_of_the_service_are_read_from_its_file(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    upgrade(f"sqlite:///{tmp_path / 'data' / 'dictograph.db'}")
    settings = tmp_path / "dictograph.env"
    settings.write_text(f"# as the unit has it\nDICTOGRAPH_DATA_DIR='{tmp_path / 'data'}'\n")
    done = _cli("--config", str(settings), "keys", "create", home=home)
    assert (done.returncode, done.stdout[:3]) == (0, "dg_"), done.stderr
    assert list(home.rglob("*")) == []
    told = _cli("--config", str(settings), "settings", "--explain", home=home)
    assert f"# from: {settings}" in told.stdout
    wrong = _cli("--config", str(tmp_path / "none.env"), "keys", "list", home=home)
    assert (wrong.returncode, "none.env" in wrong.stderr) == (3, True)


def test_a_service_makes_no_database_beside_the_storage_of_another(tmp_path: Path, audio: Path) -> None:
    with service(tmp_path) as one:
        assert one.wait_for(one.submit(audio, **PLAIN))["status"] == "completed"
        assert one.stop() == 0
    file = one.data / "dictograph.db"
    file.rename(tmp_path / "away.db")
    for command in ("serve", "worker"):
        again = one.beside(command, command).start()
        assert again.process is not None
        assert again.process.wait(60) == 1
        assert "the storage belongs to one" in again.words_of_log()
        assert "Traceback" not in again.words_of_log()
    assert not file.exists()
    assert _cli("db", "upgrade", "--data-dir", str(one.data), home=tmp_path).returncode == 1
    assert _cli("db", "upgrade", "--init", "--data-dir", str(one.data), home=tmp_path).returncode == 0
