"""The workers that live, and what they are at: by the API, by `dictograph workers`, by the database alone."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dictograph.cli.main import main
from tests.service import Service, eventually, service

SAMPLES = Path(__file__).parents[3] / "src" / "dictograph" / "samples"

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(tmp_path_factory.mktemp("service"), concurrency=3) as one:
        yield one.wait_until_ready()


@pytest.fixture(params=["server", "database"])
def place(request: pytest.FixtureRequest, server: Service) -> list[str]:
    return ["--server", server.base] if request.param == "server" else ["--data-dir", str(server.data)]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], place: list[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main([*arguments, *place])
        out, err = capsys.readouterr()
        return int(str(end.value.code)), out, err

    return run


def pid_of(server: Service) -> int:
    assert server.process is not None
    return server.process.pid


def workers(server: Service) -> list[dict[str, Any]]:
    answer = server.get("/v1/workers")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.contract("path", "GET /v1/workers", "number and state of live workers, by API")
@pytest.mark.contract("native", "GET /v1/workers", "who works, since when, at what, and its engines")
def test_a_worker_says_where_it_is_and_what_it_runs(server: Service) -> None:
    server.behave(delay=60)
    job = server.submit(SAMPLES / "count.wav")
    [busy] = eventually(lambda: found if (found := workers(server))[0]["jobs"] and found[0]["ready"] else None)
    assert (busy["host"], busy["pid"]) == (socket.gethostname(), pid_of(server))
    assert (busy["running"], busy["slots"], busy["ready"]) == (1, 3, True)
    assert [(one["id"], one["filename"]) for one in busy["jobs"]] == [(job, "count.wav")]
    assert busy["started_at"] <= busy["jobs"][0]["since"]
    server.post(f"/v1/transcriptions/{job}/cancel")
    server.behave()
    eventually(lambda: (now := workers(server)[0])["running"] == 0 and now["jobs"] == [])


def test_an_engine_that_was_killed_is_replaced_and_told_of(server: Service) -> None:
    def engine() -> int:
        """Its process; 0 while there is none."""
        [one] = workers(server)[0]["engines"] or [{"engine": "digest", "model": "digest", "pid": 0}]
        assert (one["engine"], one["model"]) == ("digest", "digest")
        return int(one["pid"] or 0)

    before = eventually(engine)
    assert psutil.Process(before).parent() is not None
    os.kill(before, signal.SIGKILL)
    assert server.wait_for(server.submit(SAMPLES / "count.wav"))["status"] == "completed"
    after = eventually(lambda: pid if (pid := engine()) not in (0, before) else None)
    assert psutil.pid_exists(after)


@pytest.mark.contract("path", "dictograph workers", "number and state of live workers, by the command line")
def test_the_command_shows_the_same(server: Service, cli: Cli) -> None:
    code, out, _ = cli("workers", "--json")
    [shown], [told] = json.loads(out), workers(server)
    assert code == 0
    assert told["jobs"] == []
    assert {**shown, "seen_at": ""} == {**told, "seen_at": ""}
    code, out, _ = cli("workers")
    titles, line = out.splitlines()
    assert titles.split() == ["HOST", "PID", "SINCE", "JOBS", "STATE", "ENGINES"]
    assert line.split()[:2] == [socket.gethostname(), str(pid_of(server))]
    assert "0/3" in line
    assert "ready" in line
    assert "digest digest (process " in line


def test_a_job_that_is_run_stands_below_its_worker(server: Service, cli: Cli) -> None:
    server.behave(delay=60)
    job = server.submit(SAMPLES / "hello.mp3")
    eventually(lambda: workers(server)[0]["jobs"])
    out = cli("workers")[1]
    server.post(f"/v1/transcriptions/{job}/cancel")
    server.behave()
    assert out.splitlines()[-1].startswith(f"{socket.gethostname()} {pid_of(server)} runs {job} since ")
    assert out.rstrip().endswith(": hello.mp3")


def test_a_worker_that_is_gone_is_not_shown(tmp_path: Path) -> None:
    with service(tmp_path) as one:
        other = one.beside("other", "worker").start()
        try:
            eventually(lambda: len(workers(one)) == 2)
            other.kill()
            eventually(lambda: [worker["pid"] for worker in workers(one)] == [pid_of(one)])
        finally:
            if other.running:
                other.kill()
