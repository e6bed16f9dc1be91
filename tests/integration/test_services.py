"""`make services`: real servers, started and stopped as a developer does it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from dictograph.blobs.kinds import open_blobs
from dictograph.settings.loading import load
from scripts import kafka
from scripts.machine import processes_inside, unprivileged
from scripts.s3 import find_server
from scripts.servers import SERVERS, find_postgres
from tests.needs import missing, need
from tests.service import ROOT, eventually


class Desk:
    """The two commands, on a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def up(self, *more: str) -> str:
        return self._call("up", "--only", "postgresql", *more)

    def down(self, *more: str) -> str:
        return self._call("down", *more)

    @property
    def state(self) -> dict[str, object]:
        shape: dict[str, object] = json.loads((self.folder / "postgresql" / "state.json").read_text())
        return shape

    @property
    def url(self) -> str:
        (line,) = (self.folder / "env").read_text().splitlines()
        name, _, value = line.partition("=")
        assert name == "DICTOGRAPH_DATABASE_URL"
        return value

    def variables_after(self, *words: str) -> dict[str, str]:
        """What `env` says after another call."""
        self._call(*words)
        return dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())

    def sql(self, statement: str) -> str:
        programs = find_postgres()
        assert programs is not None
        command = [str(programs / "psql"), "-XAtqc", statement, self.url]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def _call(self, *words: str) -> str:
        command = [sys.executable, "-m", "scripts.services", *words, "--folder", str(self.folder)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def desk() -> Iterator[Desk]:
    if find_postgres() is None:
        missing("PostgreSQL is not installed (on Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="dictograph-services-", dir="/tmp"))
    folder.chmod(0o755)
    yield Desk(folder)
    for process in processes_inside(folder):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def test_up_and_down_can_be_given_again_and_again_and_data_are_kept(desk: Desk) -> None:
    assert "started" in desk.up()
    url, pid = desk.url, desk.state["pid"]
    desk.sql("CREATE TABLE note (text text); INSERT INTO note VALUES ('kept')")
    again = desk.up()
    assert "runs" in again
    assert f"DICTOGRAPH_DATABASE_URL={url}\n" in again
    assert (desk.url, desk.state["pid"]) == (url, pid)
    assert "stopped" in desk.down()
    assert list(processes_inside(desk.folder)) == []
    assert desk.down() == ""
    desk.up()
    assert (desk.url, desk.sql("SELECT text FROM note")) == (url, "kept")
    assert "gone" in desk.down("--wipe")
    assert not (desk.folder / "postgresql").exists()


def test_a_process_number_that_is_somebody_else_s_is_left_alone(desk: Desk) -> None:
    """As after a reboot: the files name a process that lives, and is none of ours."""
    desk.up()
    url = desk.url
    for process in list(processes_inside(desk.folder)):
        process.kill()
    eventually(lambda: not list(processes_inside(desk.folder)))
    stranger = subprocess.Popen(["sleep", "600"], **unprivileged())  # PostgreSQL passes over those of other accounts
    try:
        _rewrite(desk.folder / "postgresql" / "state.json", str(desk.state["pid"]), str(stranger.pid))
        lock = desk.folder / "postgresql" / "data" / "postmaster.pid"
        _rewrite(lock, lock.read_text().split()[0], str(stranger.pid))
        assert desk.down() == ""
        assert "started" in desk.up()
        assert (desk.url, desk.sql("SELECT 1")) == (url, "1")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def _rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_the_variables_are_those_of_all_that_runs_whichever_was_named(desk: Desk) -> None:
    need("redis-server")
    if reason := kafka.lacking():
        missing(reason)
    desk.up()
    url = desk.url
    redis = desk.variables_after("up", "--only", "redis")
    assert redis.pop("DICTOGRAPH_DATABASE_URL") == url, "it runs on"
    assert len(redis) > 0
    assert desk.variables_after("down", "--only", "redis") == {"DICTOGRAPH_DATABASE_URL": url}
    if find_server() is None:
        missing("the S3 server is not built (scripts/s3-server)")
    everything = desk.variables_after("up")
    _answers_as_kafka(everything.pop("KAFKA_BOOTSTRAP_SERVERS"))
    _answers_as_s3({name: everything.pop(name) for name in list(everything) if "_S3_" in name or "STORAGE" in name})
    assert everything == {"DICTOGRAPH_DATABASE_URL": url, **redis}
    assert desk.variables_after("down", "--only", "postgresql,kafka,s3") == redis
    desk.down()
    assert not (desk.folder / "env").exists()


def _answers_as_kafka(servers: str) -> None:
    need("kcat")
    told = subprocess.run(["kcat", "-b", servers, "-L", "-J"], capture_output=True, timeout=60, check=True).stdout
    assert [broker["name"] for broker in json.loads(told)["brokers"]] == [servers]


def _answers_as_s3(variables: dict[str, str]) -> None:
    """A storage of these settings can be used."""
    settings = load({}, variables, Path("/nowhere")).settings
    asyncio.run(open_blobs(settings.objects_url, settings.storage_options).check())


def test_passwords_are_closed_to_others_and_servers_to_ctrl_c(desk: Desk) -> None:
    desk.up()
    pid = desk.state["pid"]
    assert isinstance(pid, int)
    assert os.getpgid(pid) == pid != os.getpgid(0)  # Ctrl-C goes to all of a group
    for file in (desk.folder / "env", desk.folder / "postgresql" / "state.json"):
        assert file.stat().st_mode & 0o077 == 0
    assert str(desk.state["password"]) in desk.url


def test_a_server_that_does_not_start_says_why(desk: Desk) -> None:
    desk.up()
    desk.down()
    (desk.folder / "postgresql" / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(AssertionError, match="no_such_setting"):
        desk.up()


def test_what_compose_starts_is_what_make_services_starts() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert set(services) == {server.name for server in SERVERS}
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]["test"]
        assert service["volumes"]
