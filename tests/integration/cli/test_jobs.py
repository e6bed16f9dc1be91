"""`jobs` and `dead`, by a server and by its database: they say and do the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dictograph.cli.main import main
from tests.service import Service, service

SAMPLES = Path(__file__).parents[3] / "src" / "dictograph" / "samples"

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), max_attempts=2) as one:
        yield one


@pytest.fixture(params=["server", "database"])
def place(request: pytest.FixtureRequest, server: Service) -> list[str]:
    return ["--server", server.base] if request.param == "server" else ["--data-dir", str(server.data)]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], place: list[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([*arguments, *place])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        rest = [line for line in err.splitlines(keepends=True) if not line.startswith("dictograph: database ")]
        return int(str(end.value.code)), out, "".join(rest)

    return run


def done_job(server: Service) -> dict[str, Any]:
    return server.wait_for(server.submit(SAMPLES / "hello.mp3"))


def test_a_job_is_listed_shown_watched_and_deleted(server: Service, cli: Cli) -> None:
    job = done_job(server)
    code, out, _ = cli("jobs", "list", "--json", "--limit", "1")
    assert (code, json.loads(out)) == (0, [server.job(job["id"])])
    code, out, _ = cli("jobs", "list", "--status", "completed")
    assert out.splitlines()[0].split() == ["ID", "STATUS", "DONE", "LENGTH", "CREATED", "FILE"]
    assert f"{job['id']}  completed  100%  0:11" in out
    code, out, _ = cli("jobs", "show", job["id"], "--json")
    assert json.loads(out) == server.job(job["id"])
    code, out, _ = cli("jobs", "show", job["id"])
    assert "status    completed\n" in out
    assert "engine    digest digest\n" in out
    code, out, _ = cli("jobs", "watch", job["id"])
    assert (code, out) == (0, server.transcript(job["id"], "txt"))
    code, out, _ = cli("jobs", "watch", job["id"], "--json")
    assert [json.loads(line)["type"] for line in out.splitlines()][-1] == "completed"
    assert cli("jobs", "delete", job["id"]) == (0, f"{job['id']} deleted\n", "")
    code, out, err = cli("jobs", "show", job["id"])
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_what_cannot_be_done_is_said_and_keeps_nothing_else_from_it(server: Service, cli: Cli) -> None:
    job = done_job(server)
    code, out, err = cli("jobs", "cancel", job["id"], "no-such-job")
    assert (code, out) == (1, "")
    assert "completed already" in err.splitlines()[0]
    assert "no-such-job: There is no" in err.splitlines()[1]
    assert cli("jobs", "delete", "no-such-job", job["id"])[:2] == (1, f"{job['id']} deleted\n")


def test_a_job_is_cancelled_and_run_again(server: Service, cli: Cli) -> None:
    server.behave(delay=60)
    job = server.submit(SAMPLES / "count.wav")
    assert cli("jobs", "cancel", job) == (0, f"{job} cancelled\n", "")
    assert cli("jobs", "watch", job)[0] == 1
    server.behave()
    assert cli("jobs", "retry", job) == (0, f"{job} pending\n", "")
    code, out, _ = cli("jobs", "watch", job)
    assert code == 0
    assert out.endswith(server.transcript(job, "txt"))


def test_the_dead_are_listed_and_replayed(server: Service, cli: Cli) -> None:
    text = server.transcript(done_job(server)["id"], "txt").split()
    server.behave(raise_on=text)
    job = server.wait_for(server.submit(SAMPLES / "hello.mp3"))
    assert (job["status"], job["dead"]) == ("failed", True)
    code, out, _ = cli("dead", "list")
    assert code == 0
    assert job["id"] in out
    assert "engine_failed" in out
    code, out, _ = cli("dead", "list", "--json")
    assert [one["id"] for one in json.loads(out)] == [job["id"]]
    assert cli("dead", "show", job["id"])[0] == 0
    server.behave()
    assert cli("dead", "replay")[0] == 2
    assert cli("dead", "replay", "--all") == (0, f"{job['id']} pending\n", "")
    assert server.wait_for(job["id"])["status"] == "completed"
    assert cli("dead", "show", job["id"])[0] == 1
    assert json.loads(cli("dead", "list", "--json")[1]) == []


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (["--server", "http://127.0.0.1:9"], "No service answers at http://127.0.0.1:9"),
        (["--server", "no such host"], "No service answers at http://no such host"),
        (["--data-dir", "/nowhere"], "There is no database /nowhere/dictograph.db"),
    ],
)
def test_where_nothing_is_a_person_is_told(cli: Cli, words: str) -> None:
    code, out, err = cli("jobs", "list")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert words in err


def test_a_database_can_be_made_and_its_state_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--data-dir", str(tmp_path / "new")])
        return end.value.code, capsys.readouterr().out

    assert run("db", "current")[0] == 1
    assert run("db", "upgrade")[0] == 0
    assert run("db", "upgrade")[0] == 0
    code, out = run("db", "current")
    assert (code, out.endswith(", the newest\n")) == (0, True)
    assert run("jobs", "list") == (0, "ID  STATUS  DONE  LENGTH  CREATED  FILE\n")
