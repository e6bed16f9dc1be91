"""External load on a service: a process with many subscribers, and a thread of requests."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.service import ROOT, Service


class Crowd:
    """A process with subscribers (see `bench.subscribers`)."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def open(self, name: str, kind: str, jobs: list[str], count: int, **how: bool) -> dict[str, Any]:
        wanted = {"name": name, "kind": kind, "jobs": jobs, "count": count, "read": True, "note": False} | how
        return self._ask({"open": wanted})

    def tell(self, name: str) -> dict[str, Any]:
        return self._ask({"tell": name})

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def crowd_of(service: Service) -> Iterator[Crowd]:
    address = service.base.removeprefix("http://")
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.subscribers", address], stdin=-1, stdout=-1, text=True, cwd=ROOT
    )
    try:
        yield Crowd(process)
    finally:
        process.kill()
        process.communicate()


@dataclass
class Requests:
    """Ordinary requests, one after the other in a thread, with the time that each took (s)."""

    base: str
    job: str
    took: list[float] = field(default_factory=list)
    failed: int = 0

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Requests:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        paths = (f"/v1/transcriptions/{self.job}", "/v1/status", "/v1/transcriptions?limit=20", "/health")
        with httpx.Client(base_url=self.base, timeout=60) as client:
            number = 0
            while not self._stop.wait(0.03):
                began = time.monotonic()
                self.failed += client.get(paths[number % len(paths)]).status_code != 200
                self.took.append(time.monotonic() - began)
                number += 1
