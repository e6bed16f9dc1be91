"""Clients that send jobs, repeat what was cut off under its key, and remember what they were promised."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx

#: One in so many requests is sent once more after its answer, as by a client that forgot that it had one.
AGAIN = 10

_OPTIONS = {"vad_filter": "false"}


class Clients:
    """Threads that send one request after the other, while `room()` is true. `promised` has the file of each job."""

    def __init__(self, url: str, audio: Sequence[Path], room: Callable[[], bool], seed: int, threads: int = 3) -> None:
        self.promised: dict[str, Path] = {}
        self.repeated = 0
        self.broken_promises: list[str] = []
        self._url = url
        self._audio = audio
        self._room = room
        self._finishing = threading.Event()
        self._giving_up = threading.Event()
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed + number),), daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise what a thread has died of, if one has."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Wait until every request that was begun has its answer; no other is begun."""
        self._finishing.set()
        for thread in self._threads:
            thread.join(120)
        self.check()
        assert not any(thread.is_alive() for thread in self._threads), "a request gets no answer"

    def give_up(self) -> None:
        """Ask no more."""
        self._finishing.set()
        self._giving_up.set()

    def _run(self, rng: random.Random) -> None:
        try:
            with httpx.Client(base_url=self._url, timeout=60) as client:
                while not self._finishing.is_set():
                    if self._room():
                        self._send(client, rng)
                    else:
                        time.sleep(0.05)
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._failure = error

    def _send(self, client: httpx.Client, rng: random.Random) -> None:
        """One job, by upload or by path, until there is an answer."""
        file, key, by_path = rng.choice(self._audio), uuid4().hex, rng.random() < 0.4
        job = self._until_answered(client, file, key, by_path)
        if job is not None:
            with self._lock:
                self.promised[job] = file
            if rng.randrange(AGAIN) == 0:
                again = self._until_answered(client, file, key, by_path)
                if again not in (None, job):
                    self.broken_promises.append(f"{job} and {again} have one key")

    def _until_answered(self, client: httpx.Client, file: Path, key: str, by_path: bool) -> str | None:
        while not self._giving_up.is_set():
            with suppress(httpx.TransportError):
                answer = _post(client, file, key, by_path)
                if answer.status_code == 202:
                    return str(answer.json()["id"])
                assert answer.status_code in (409, 503), answer.text
            with self._lock:
                self.repeated += 1
            time.sleep(0.1)
        return None


def _post(client: httpx.Client, file: Path, key: str, by_path: bool) -> httpx.Response:
    headers = {"Idempotency-Key": key}
    if by_path:
        return client.post("/v1/transcriptions", json={"path": str(file), "vad_filter": False}, headers=headers)
    with file.open("rb") as data:
        return client.post("/v1/transcriptions", files={"file": data}, data=_OPTIONS, headers=headers)


class Follower(threading.Thread):
    """A client that follows one job after the other to its end, and comes back where a kill has cut it off."""

    def __init__(self, url: str, jobs: Callable[[], Sequence[str]]) -> None:
        super().__init__(daemon=True)
        self.followed = 0
        self.returns = 0
        self.missed: list[str] = []
        self._url = url
        self._jobs = jobs
        self._stopping = threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stopping.is_set():
                jobs = self._jobs()
                if jobs:
                    self._follow(client, jobs[-1])
                time.sleep(0.05)

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)

    def _follow(self, client: httpx.Client, job: str) -> None:
        seen: list[int] = []
        while not self._stopping.is_set():
            with suppress(httpx.TransportError):
                if self._read(client, job, seen):
                    self.followed += 1
                    if seen != list(range(1, len(seen) + 1)):
                        self.missed.append(f"{job}: {seen}")
                    return
            self.returns += 1
            time.sleep(0.1)

    def _read(self, client: httpx.Client, job: str, seen: list[int]) -> bool:
        """Whether the job's end was seen. `seen` gets the numbers of its events."""
        headers = {"Last-Event-ID": str(seen[-1])} if seen else {}
        with client.stream("GET", f"/v1/transcriptions/{job}/events", headers=headers) as answer:
            if answer.status_code != 200:
                return False
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    seen.append(int(value))
                elif name == "event" and value in ("completed", "failed", "cancelled"):
                    return True
        return False
