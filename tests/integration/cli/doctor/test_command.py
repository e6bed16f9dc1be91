"""What the doctor sees of a service: who shares its database, what its clocks say, what it may not write."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import update

import dictograph.cli.doctor.command as doctor_command
from dictograph.cli.doctor import machine_checks, service_checks
from dictograph.cli.doctor.findings import Verdict
from dictograph.cli.main import main
from dictograph.job import Options, Source, SourceKind
from dictograph.runtime.process_lock import ProcessLock
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.migrate import upgrade
from dictograph.store.tables import job
from dictograph.store.workers import WorkerState, announce
from tests.keys import make_key
from tests.needs import need
from tests.service import ROOT


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    """A service that was here, and has one job."""
    settings = Settings(data_dir=data_dir)
    data_dir.mkdir()
    upgrade(settings.database)
    new = NewJob("one", "local", "a.mp3", Source(SourceKind.UPLOAD), Options())
    with_database(settings, lambda conn: create_job(conn, new))
    return settings


def with_database(settings: Settings, query: object) -> None:
    database = Database.open(settings.database)
    database.write_now(query)  # type: ignore[arg-type] # any question does
    database.close_now()


def test_several_processes_on_one_sqlite_file_are_told_of(settings: Settings) -> None:
    assert service_checks.sharing(settings)[:2] == (Verdict.OK, "no process runs on this data folder")
    first = ProcessLock(settings.processes)
    assert service_checks.sharing(settings)[:2] == (Verdict.OK, "one process runs on this data folder")
    second = ProcessLock(settings.processes)
    verdict, detail, advice = service_checks.sharing(settings)
    assert (verdict, detail.split()[0]) == (Verdict.WARN, "2")
    assert "PostgreSQL" in advice
    second.close()
    first.close()


HOLD = """
import sys
from pathlib import Path
from dictograph.runtime.process_lock import ProcessLock
from dictograph.settings.model import Settings
from dictograph.store.database import Database
settings = Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2])
presence, database = ProcessLock(settings.processes), Database.open(settings.database)
print("here", flush=True)
sys.stdin.read()
"""


def test_processes_on_other_data_folders_that_share_a_sqlite_file_are_found(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other"
    command = [sys.executable, "-c", HOLD, str(other), settings.database]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        verdict, detail, advice = service_checks.sharing(settings)
        process.communicate()
    assert verdict is Verdict.WARN
    assert detail == f"this SQLite file is used from other data folders too: {other} (1 process)"
    assert "one DICTOGRAPH_DATA_DIR" in advice
    assert service_checks.sharing(settings)[:2] == (Verdict.OK, "no process runs on this data folder")


def test_workers_of_another_machine_on_a_sqlite_file_are_a_failure(settings: Settings) -> None:
    with_database(settings, lambda conn: announce(conn, WorkerState("w", "elsewhere", 1, datetime.now(UTC))))
    verdict, detail, advice = service_checks.sharing(settings)
    assert (verdict, "elsewhere" in detail, "PostgreSQL" in advice) == (Verdict.FAIL, True, True)


def test_a_sqlite_file_on_a_network_share_is_a_failure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = namedtuple("mount", "mountpoint fstype")
    mounts = [mount("/", "ext4"), mount(str(settings.data_dir.parent), "nfs4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    verdict, detail, _ = service_checks.sharing(settings)
    assert (verdict, "nfs4" in detail) == (Verdict.FAIL, True)


def test_who_is_let_in_is_told_and_a_service_that_would_not_start_is_a_failure(settings: Settings) -> None:
    def verdict(**more: Any) -> tuple[Verdict, str]:
        return service_checks.access(settings.model_copy(update=more))[:2]

    everywhere = {"listen": ["127.0.0.1:8000", "0.0.0.0:80"]}
    assert verdict() == (Verdict.OK, "no keys: whoever is on this machine")
    assert verdict(**everywhere) == (Verdict.FAIL, "there are no keys, so 0.0.0.0:80 is not listened on")
    assert verdict(**everywhere, insecure=True)[0] is Verdict.WARN
    assert verdict(**everywhere, anonymous=["backend"])[0] is Verdict.OK
    make_key(settings.database)
    make_key(settings.database, lives=0.0)
    assert verdict(**everywhere) == (Verdict.OK, "1 of 2 keys are good")


def test_jobs_that_no_worker_supports_are_told_of(settings: Settings) -> None:
    assert service_checks.waiting(settings)[0] is Verdict.OK
    needy = NewJob("two", "local", "a.mp3", Source(SourceKind.UPLOAD), Options(), needs="voice:anna")
    with_database(settings, lambda conn: create_job(conn, needy))
    verdict, detail, advice = service_checks.waiting(settings)
    assert (verdict, detail) == (Verdict.WARN, "a job waits for a worker that supports what it asks")
    assert "jobs show" in advice
    able = WorkerState("w", "here", 1, datetime.now(UTC), {"needs": ["", "voice:anna"]})
    with_database(settings, lambda conn: announce(conn, able))
    assert service_checks.waiting(settings)[0] is Verdict.OK


def test_a_prompt_template_that_cannot_be_used_is_a_failure(settings: Settings) -> None:
    assert service_checks.prompts(settings)[:2] == (Verdict.OK, "in de, en")
    own = settings.data_dir / "prompts"
    (own / "fr").mkdir(parents=True)
    settings = settings.model_copy(update={"prompts_dir": own})
    (own / "fr" / "mine.md").write_text("{transcript}")
    verdict, detail, _ = service_checks.prompts(settings)
    assert (verdict, "de, en, fr" in detail, str(own) in detail) == (Verdict.OK, True, True)
    (own / "fr" / "mine.md").write_text("{transkript}")
    verdict, detail, _ = service_checks.prompts(settings)
    assert (verdict, "mine.md" in detail, "{transkript}" in detail) == (Verdict.FAIL, True, True)


def test_a_clock_that_agrees_is_fine(settings: Settings) -> None:
    assert service_checks.clock(settings)[0] is Verdict.OK


def test_a_database_that_does_not_answer_is_reported_once(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asking = ("database", "sharing", "clock", "access", "waiting")
    monkeypatch.setattr(doctor_command, "_CHECKS", {name: doctor_command._CHECKS[name] for name in asking})
    with socket.socket() as nobody:  # bound, and not listening
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://dictograph@127.0.0.1:{nobody.getsockname()[1]}/dictograph"
        monkeypatch.setenv("DICTOGRAPH_DATABASE_URL", url)
        with pytest.raises(SystemExit) as end:
            main(["doctor", "--data-dir", str(data_dir)])
    said = [line.split()[:2] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert end.value.code == 1
    assert said == [
        ["ok", "settings"],
        ["fail", "database"],
        ["ok", "sharing"],
        ["ok", "clock"],
        ["warn", "access"],
        ["warn", "waiting"],
    ]


def test_warnings_of_the_settings_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("HF_TOKEN=x\nHF_HOME=y\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor_command, "_CHECKS", {})
    with pytest.raises(SystemExit):
        main(["doctor"])
    told = capsys.readouterr().out
    assert "and is ignored; HF_HOME" in told
    monkeypatch.setenv("DICTOGRAPH_LEASE", "soon")
    with pytest.raises(SystemExit):
        main(["doctor"])
    assert "`dictograph settings --help`" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["settings", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    places = ["the command line", "the environment", "the file .env", "the TOML file", "older systems", "profiles"]
    assert sorted(places, key=text.index) == places


def test_a_clock_that_was_put_back_is_seen_by_the_rows(settings: Settings) -> None:
    future = datetime.now(UTC) + timedelta(hours=3)
    with_database(settings, lambda conn: conn.execute(update(job).values(creation_date=future)))
    verdict, detail, advice = service_checks.clock(settings)
    assert (verdict, future.strftime("%H:%M") in detail, "NTP" in advice) == (Verdict.WARN, True, True)


def test_a_clock_that_was_never_set_is_a_failure(settings: Settings) -> None:
    need("faketime")
    done = doctor(settings, "faketime", "1970-01-02 00:00:00")
    assert "fail  clock      this machine's clock says 1970-01-0" in done.stdout, done.stdout
    assert done.returncode == 1


def test_an_old_sqlite_is_a_failure(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    verdict, _, advice = machine_checks.libraries(settings)
    assert (verdict, "3.35" in advice) == (Verdict.FAIL, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_folders_that_this_user_may_not_write_are_failures(settings: Settings) -> None:
    """Run as another user than the service's: what a person does first."""
    settings.data_dir.chmod(0o755)
    for folder in settings.data_dir.parents:
        if str(folder) != folder.root:
            folder.chmod(folder.stat().st_mode | 0o011)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*nobody, sys.executable, "-c", ""], cwd="/", check=False).returncode:
        pytest.skip("this Python is in a folder that nobody but root may enter")
    done = doctor(settings, *nobody)
    failed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("fail")}
    assert failed >= {"database", "storage", "scratch"}, done.stdout
    assert "may write in it" in done.stdout
    assert done.returncode == 1


def doctor(settings: Settings, *wrapper: str) -> subprocess.CompletedProcess[str]:
    """`dictograph doctor` as a command, started by another one."""
    return subprocess.run(
        [*wrapper, sys.executable, "-m", "dictograph", "doctor"],
        env={
            "DICTOGRAPH_DATA_DIR": str(settings.data_dir), "DICTOGRAPH_ENGINE": "sphinx",
            "PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"],
        },
        cwd="/", capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
