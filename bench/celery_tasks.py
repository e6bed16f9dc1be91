"""How many bare Celery tasks a machine runs in a second, with a separate Redis."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.service import ROOT, eventually

#: Variables for `bench.celery_app`: Redis' URL without a database's number; whether results are kept, "1" or "".
REDIS, RESULTS = "BENCH_REDIS", "BENCH_RESULTS"

_WARM_UP = 50


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a Redis on a free port that keeps nothing on disk. Yield its URL."""
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not installed (on Debian: redis-server)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def tasks_per_second(url: str, count: int, processes: int, *, results: bool, replaced_after: int = 0) -> float:
    """Return the tasks per second from the first `delay` to the end of the last task.

    There is one sender, and `processes` worker processes, each of which is replaced after so many tasks; 0: never.
    """
    environment = {**os.environ, REDIS: url, RESULTS: "1" if results else ""}
    run = _Run(url, environment, results=results)
    with _worker(environment, processes, replaced_after):
        run.of(_WARM_UP)
        return count / run.of(count)


class _Run:
    """A run of tasks, sent by a separate process; this one waits for their end."""

    def __init__(self, url: str, environment: Mapping[str, str], *, results: bool) -> None:
        import redis

        self._environment = environment
        self._results = results
        self._broker = redis.Redis.from_url(f"{url}/0")
        self._backend = redis.Redis.from_url(f"{url}/1")

    def of(self, count: int) -> float:
        """Return the seconds until all tasks have run."""
        command = [sys.executable, "-c", f"from bench.celery_app import send; send({count})"]
        with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=ROOT, env=self._environment) as sender:
            assert sender.stdin is not None
            assert sender.stdout is not None
            sender.stdout.readline()
            eventually(lambda: self._waiting() == 0, 60, "the Celery worker does not start")
            self._backend.flushdb()
            began = time.monotonic()
            sender.stdin.write("\n")
            sender.stdin.close()
            sender.wait(300)
        eventually(lambda: self._done(count), 300, "Celery does not finish")
        return time.monotonic() - began

    def _done(self, count: int) -> bool:
        return bool(self._backend.dbsize() >= count) if self._results else self._waiting() == 0

    def _waiting(self) -> int:
        return int(self._broker.llen("celery")) + int(self._broker.hlen("unacked"))


@contextmanager
def _worker(environment: Mapping[str, str], processes: int, replaced_after: int) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "bench.celery_app", "worker", "-c", str(processes), "-l", "error"]
    command += ["--max-tasks-per-child", str(replaced_after)] if replaced_after else []
    worker = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(60)
