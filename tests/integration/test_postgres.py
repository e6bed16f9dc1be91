"""The PostgreSQL that the other tests use does what they use it for."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scripts import servers
from scripts.servers import find_postgres
from tests.postgres import Cluster, cluster


def test_databases_are_apart_and_can_be_copied(postgres: Cluster) -> None:
    first, second = postgres.new_database(), postgres.new_database()
    name = first.rpartition("/")[2]
    postgres.execute("CREATE TABLE note (text text)", name)
    copy = postgres.new_database(template=first).rpartition("/")[2]
    assert postgres.execute("SELECT count(*) FROM note", copy) == "0"
    with pytest.raises(AssertionError, match="does not exist"):
        postgres.execute("SELECT count(*) FROM note", second.rpartition("/")[2])


def test_what_was_committed_outlives_a_kill_and_the_address_stays() -> None:
    with cluster() as one:
        url = one.new_database()
        name = url.rpartition("/")[2]
        one.execute("CREATE TABLE note (text text)", name)
        one.execute("INSERT INTO note VALUES ('here')", name)
        one.kill()
        assert not one.running
        one.start()
        assert (one.execute("SELECT text FROM note", name), one.url(name)) == ("here", url)
        one.restart()
        assert one.execute("SELECT text FROM note", name) == "here"
    assert not one.folder.exists()


def test_a_paused_one_answers_when_it_goes_on() -> None:
    with cluster() as one, ThreadPoolExecutor(1) as thread:
        one.pause()
        answer = thread.submit(one.execute, "SELECT 1")
        with pytest.raises(TimeoutError):
            answer.result(0.3)
        one.resume()
        assert answer.result(30) == "1"


def test_nobody_enters_without_the_password(postgres: Cluster) -> None:
    programs = find_postgres()
    assert programs is not None
    url = postgres.url("postgres").replace(postgres.password, "guess")
    done = subprocess.run([programs / "psql", "-Atc", "SELECT 1", url], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "authentication failed" in done.stderr


def test_the_newest_programs_are_found_beside_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for version in ("9", "17", "15"):
        for program in ("initdb", "postgres"):
            file = tmp_path / version / "bin" / program
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(servers, "POSTGRES_PLACES", (f"{tmp_path}/*/bin",))
    assert find_postgres() == tmp_path / "17" / "bin"
    monkeypatch.setattr(servers, "POSTGRES_PLACES", ())
    assert find_postgres() is None
