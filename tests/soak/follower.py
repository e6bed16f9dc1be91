"""A client that follows jobs while the processes it talks to are killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import httpx


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
