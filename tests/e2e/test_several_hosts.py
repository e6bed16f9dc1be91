"""One API and two workers, each with a data folder of its own as on machines of their own: they meet in PostgreSQL
and in the folder of the audio."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.audio_files import write_noise
from tests.postgres import Cluster
from tests.service import Service, eventually

OPTIONS = {"vad_filter": "false"}

#: Of each file at least: 200 s in pieces of at most 30.
WINDOWS = 7


class Hosts:
    """The processes of three machines."""

    def __init__(self, folder: Path, database_url: str) -> None:
        shared: dict[str, Any] = {"database_url": database_url, "storage_url": folder / "shared"}
        shared |= {"lease": "3s", "concurrency": 1}
        self.api = self._host(folder / "api", **shared)
        self.workers = [self._host(folder / name, **shared) for name in ("one", "two")]
        self.audio = [write_noise(folder / f"{seed}.wav", 200, seed) for seed in range(4)]

    def _host(self, folder: Path, **settings: Any) -> Service:
        folder.mkdir()
        host = Service(folder, **settings)
        host.behave(max_batch=1, delay=0.2)
        return host

    def start(self) -> None:
        self.api.start("api")
        self.api.wait_until_up()
        for worker in self.workers:
            worker.start("worker")
        eventually(lambda: len(self.living()) == 2 and self.api.get("/ready").status_code == 200, what="two workers")

    def living(self) -> list[str]:
        return [worker["id"] for worker in self.api.get("/v1/status").json()["workers"]]

    def end(self) -> None:
        for one in (self.api, *self.workers):
            if one.running:
                one.kill()


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory, postgres: Cluster) -> Iterator[Hosts]:
    hosts = Hosts(tmp_path_factory.mktemp("hosts"), postgres.new_database())
    hosts.start()
    yield hosts
    hosts.end()


def test_workers_of_two_machines_are_woken_and_share_the_jobs(hosts: Hosts) -> None:
    jobs = [hosts.api.submit(audio, **OPTIONS) for audio in hosts.audio]
    assert {hosts.api.wait_for(job)["status"] for job in jobs} == {"completed"}
    done = [len(worker.engine_log()) for worker in hosts.workers]
    assert min(done) > WINDOWS, f"one worker did all: {done}"
    assert len({hosts.api.transcript(job, "txt") for job in jobs}) == 4


def test_events_of_a_worker_elsewhere_are_streamed_by_the_api(hosts: Hosts) -> None:
    job = hosts.api.submit(hosts.audio[1], **OPTIONS)
    with httpx.stream("GET", f"{hosts.api.base}/v1/transcriptions/{job}/events", timeout=60) as answer:
        types = [line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: ")]
    assert types[-1] == "completed"
    assert types.count("segments") >= WINDOWS


def test_the_jobs_of_a_machine_that_is_gone_are_finished_by_the_other(hosts: Hosts) -> None:
    for worker in hosts.workers:
        worker.behave(max_batch=1, delay=0.6)  # so that there is time to see which of them runs it
    job = hosts.api.submit(hosts.audio[0], **OPTIONS)
    eventually(lambda: hosts.api.job(job)["progress"] > 0.2, what="the job is under way")
    before = [len(worker.engine_log()) for worker in hosts.workers]
    eventually(lambda: [len(worker.engine_log()) for worker in hosts.workers] != before, what="one of them works")
    runs, other = hosts.workers
    if len(other.engine_log()) > before[1]:
        runs, other = other, runs
    idle = len(other.engine_log())
    runs.kill()
    ended = hosts.api.wait_for(job)
    assert (ended["status"], ended["attempt"], ended["failures"]) == ("completed", 2, 0)
    assert len(other.engine_log()) - idle < WINDOWS, "what was committed was done again"
