"""A real service in a process of its own, for tests that start, kill and question it."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import sqlalchemy

ROOT = Path(__file__).parents[1]
TINY = ROOT / "tests" / "fixtures" / "tiny-whisper" / "ct2"

T = TypeVar("T")

#: For clients of services without TLS: it trusts nobody. Each client else reads all the authorities that there are, in
#: 25 ms of processor time, and a test that asks again and again takes a whole core from the service that it asks.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

#: Seconds from one question to the next; the longest between two of those whose answer, once true, stays true.
OFTEN_S, RARELY_S = 0.02, 0.1


def eventually(query: Callable[[], T | None], seconds: float = 60, what: str = "", longest: float = OFTEN_S) -> T:
    """Ask until the answer is true, ever more rarely until `longest` lies between two questions; fails after
    `seconds`."""
    deadline, pause = time.monotonic() + seconds, OFTEN_S
    while not (answer := query()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or query}")
        time.sleep(pause)
        pause = min(pause * 1.2, longest)
    return answer


class Service:
    """`dictograph serve` (or another command) on a data folder of its own. The port is found in its log.

    The database is SQLite in that folder, or what the setting `database_url` says.
    """

    def __init__(self, folder: Path, *command: str, name: str = "service", **settings: Any) -> None:
        self.folder = folder
        self.name = name
        self.command = command or ("serve",)
        self.data = folder / "data"
        self.log = folder / f"{name}.log"
        self.settings = {
            "data_dir": self.data,
            "listen": "127.0.0.1:0",
            "engine": "digest",
            "extra_engines": "digest=tests.engines.digest:DigestEngine",
            "retry_base": "50ms",
            "retry_max": "200ms",
            "poll_interval": "200ms",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.base = ""

    def beside(self, name: str, *command: str, **settings: Any) -> Service:
        """Another process on the same data and database, with a log of its own; it is not started yet."""
        return Service(self.folder, *command, name=name, **{**self.settings, **settings})

    def behave(self, **behaviour: object) -> None:
        """Tell the digest engine how to behave from its next batch on."""
        part = self.folder / "digest.part"
        part.write_text(json.dumps(behaviour))
        part.replace(self.folder / "digest.json")

    def start(self, *command: str, **settings: object) -> Service:
        """Start it; returns at once."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DICTOGRAPH_")},
            **{f"DICTOGRAPH_{k.upper()}": str(v) for k, v in {**self.settings, **settings}.items()},
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }
        self.base = ""
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dictograph", *(command or self.command)],
                env=environment, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        return self

    def wait_until_up(self) -> Service:
        eventually(self._find_port, what=f"no port in {self.log}")
        eventually(self._healthy, what=f"not healthy: {self.log}")
        return self

    def wait_until_ready(self) -> Service:
        self.wait_until_up()
        eventually(lambda: self.get("/ready").status_code == 200, what=f"not ready: {self.log}")
        return self

    def words_of_log(self) -> str:
        with self.log.open("rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def was_killed(self) -> bool:
        return self.process is not None and self.process.poll() == -signal.SIGKILL

    def kill(self) -> None:
        """SIGKILL, as a power cut would do."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.base + path, timeout=30, verify=NO_TLS, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return httpx.post(self.base + path, timeout=60, verify=NO_TLS, **more)

    def delete(self, path: str) -> httpx.Response:
        return httpx.delete(self.base + path, timeout=30, verify=NO_TLS)

    def submit(self, audio: Path, **options: object) -> str:
        """Upload a file; the id of its job."""
        with audio.open("rb") as file:
            answer = self.post("/v1/transcriptions", files={"file": (audio.name, file)}, data=options)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        answer = self.get(f"/v1/transcriptions/{job_id}")
        assert answer.status_code == 200, answer.text
        shape: dict[str, Any] = answer.json()
        return shape

    def wait_for(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        """The job once it has ended."""
        return eventually(
            lambda: job if (job := self.job(job_id))["status"] in ("completed", "failed", "cancelled") else None,
            seconds, f"job {job_id} does not end", RARELY_S,
        )  # fmt: skip

    def transcript(self, job_id: str, format: str = "json") -> str:
        answer = self.get(f"/v1/transcriptions/{job_id}/transcript", params={"format": format})
        assert answer.status_code == 200, answer.text
        return answer.text

    @property
    def database(self) -> str:
        """The URL of its database."""
        return str(self.settings.get("database_url") or f"sqlite:///{self.data / 'dictograph.db'}")

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask its database, which may be in use or not. Each `?` of the query stands for one of the values."""
        return ask(self.database, query, *values)

    def engine_log(self) -> list[str]:
        log = self.folder / "digest.log"
        return log.read_text().split() if log.exists() else []

    def _find_port(self) -> bool:
        if not self.running:
            raise AssertionError(f"the service ended:\n{self.words_of_log()[-3000:]}")
        for line in self.words_of_log().splitlines():
            # Lines before it may tell of other addresses, as of a hub that does not answer.
            if "Dictograph listens on " in line and (at := line.find("http://127.0.0.1:")) >= 0:
                self.base = line[at:].split()[0].rstrip("/.,")
                return True
        return False

    def _healthy(self) -> bool:
        try:
            return self.get("/health").status_code == 200
        except httpx.TransportError:
            return False


def ask(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask a database by its URL, on a connection of its own. Of each kind it gives what that kind has: JSON as text
    from SQLite, as objects from PostgreSQL."""
    kind, _, rest = url.partition(":")
    driver = "postgresql+psycopg" if kind == "postgresql" else kind
    engine = sqlalchemy.create_engine(f"{driver}:{rest}", poolclass=sqlalchemy.NullPool)
    numbers = count()
    named = re.sub(r"\?", lambda _: f":v{next(numbers)}", query)
    with engine.connect() as connection:
        found = connection.execute(sqlalchemy.text(named), {f"v{number}": value for number, value in enumerate(values)})
        return [tuple(row) for row in found]


@contextmanager
def service(folder: Path, **settings: Any) -> Iterator[Service]:
    """A service that is up, and gone afterwards whatever happens."""
    one = Service(folder, **settings)
    one.start().wait_until_up()
    try:
        yield one
    finally:
        if one.running:
            one.kill()
