"""An API and workers on one database, each worker as on a host of its own, for tests of what may befall them."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from tests.files import files_below
from tests.service import NO_TLS, Service, eventually

PLAIN = {"vad_filter": "false"}
ENDS = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Told:
    """An event as a client sees it."""

    seq: int
    type: str
    data: dict[str, Any]


class Deployment:
    """Workers do not see each other's lock files: only a lease tells whether one lives."""

    def __init__(self, folder: Path, url: str = "", **settings: object) -> None:
        self.folder = folder
        self.url = url or f"sqlite:///{folder / 'shared.db'}"
        self._settings = {"lease": "3s", "orphan_age": "1s", "concurrency": 1, **settings}
        self.workers: list[Service] = []
        self.api = self._service("api", "api")

    def worker(self, name: str) -> Service:
        """A worker, started."""
        one = self._service(name, "worker")
        self.workers.append(one)
        return one.start()

    def holder(self, job: str) -> Service:
        """The worker that began the latest attempt at the job."""

        def look() -> Service | None:
            begun: dict[int, Service] = {}
            for worker in self.workers:
                for attempt in re.findall(rf"job {job}: attempt (\d+) begins", worker.words_of_log()):
                    begun[int(attempt)] = worker
            return begun[max(begun)] if begun else None

        found = eventually(look, what=f"nobody runs job {job}")
        assert found is not None
        return found

    def events(self, job: str) -> list[Told]:
        """All that was told of a job that has ended."""
        answer = self.api.get(f"/v1/transcriptions/{job}/events")
        assert answer.status_code == 200, answer.text
        return list(_parsed(answer.text))

    def check(self, jobs: dict[str, Path]) -> None:
        """Each job is completed, once, its events have no gap, equal audio has equal text, no file is left over."""
        texts: dict[Path, str] = {}
        for job, audio in jobs.items():
            assert self.api.wait_for(job)["status"] == "completed", self.api.job(job)
            told = self.events(job)
            assert [one.seq for one in told] == list(range(1, len(told) + 1))
            assert [one.type for one in told if one.type in ENDS] == ["completed"]
            indexes = [one.data["index"] for one in told if one.type == "segments"]
            assert indexes == list(range(len(indexes))), "a window was committed twice, or never"
            text = self.api.transcript(job, "txt")
            assert texts.setdefault(audio, text) == text
        stored = [path for path in files_below(self.folder / "blobs") if path.name.endswith("-audio")]
        assert {path.parent.name for path in stored} == set(jobs)

    def charged(self, job: str) -> list[str]:
        """The errors of the attempts that were counted as failures."""
        return [one.data["error"]["code"] for one in self.events(job) if one.type == "retrying"]

    def close(self) -> None:
        for one in (*self.workers, self.api):
            if one.running:
                one.kill()

    def _service(self, name: str, command: str) -> Service:
        places = {"data_dir": self.folder / "hosts" / name, "storage_url": self.folder / "blobs"}
        settings = {**self._settings, **places, "database_url": self.url}
        return Service(self.folder, command, name=name, **settings)


@contextmanager
def deployment(folder: Path, url: str = "", **settings: object) -> Iterator[Deployment]:
    """A house whose API is up, and of which nothing is left afterwards."""
    one = Deployment(folder, url, **settings)
    try:
        one.api.start().wait_until_up()
        yield one
    finally:
        one.close()


def _parsed(text: str) -> Iterator[Told]:
    for record in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in record.splitlines() if ": " in line)
        if "id" in fields:
            yield Told(int(fields["id"]), fields["event"], json.loads(fields["data"]))


class Listener(threading.Thread):
    """A client that follows a job and comes back after its last event when it is cut off, as a browser does.

    `seqs` are the events that it got, `answers` the statuses of its requests, or how its WebSockets were closed.
    """

    def __init__(self, api: Service, job: str) -> None:
        super().__init__(daemon=True)
        self.seqs: list[int] = []
        self.answers: list[int] = []
        self._url = f"{api.base}/v1/transcriptions/{job}"
        self._over = False

    def run(self) -> None:
        while not self._over:
            with contextlib.suppress(httpx.TransportError, OSError, WebSocketException):
                self._over = self.listen(self.seqs[-1] if self.seqs else 0)
            time.sleep(0.2)

    def listen(self, after: int) -> bool:
        """Take what comes; true when nothing more will."""
        raise NotImplementedError


class SseListener(Listener):
    def listen(self, after: int) -> bool:
        headers = {"Last-Event-ID": str(after)}
        with httpx.stream("GET", f"{self._url}/events", headers=headers, timeout=60, verify=NO_TLS) as answer:
            self.answers.append(answer.status_code)
            for line in answer.iter_lines() if answer.status_code == 200 else ():
                if line.startswith("id: "):
                    self.seqs.append(int(line.removeprefix("id: ")))
        return answer.status_code == 204


class WebSocketListener(Listener):
    def listen(self, after: int) -> bool:
        with connect(f"{self._url.replace('http', 'ws', 1)}/ws?after={after}", open_timeout=60) as socket:
            try:
                while True:
                    self._take(json.loads(socket.recv(60)))
            except ConnectionClosed as end:
                self.answers.append(end.rcvd.code if end.rcvd else 1006)
        return self.answers[-1] == 1000

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["seq"] is not None:
            self.seqs.append(frame["seq"])
