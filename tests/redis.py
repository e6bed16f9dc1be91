"""A real Redis: one for all tests of a run, with databases and names of a test's own; and servers of one's own, to be
stopped, killed and started again.

Listeners: plain, and with TLS. Without a user everybody has all rights; two users have a password.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from scripts.machine import free_port
from tests import shared
from tests.certificates import Authority
from tests.needs import need

#: May do everything; may do nothing. Their passwords.
ALICE, BOB = "alice", "bob"
PASSWORDS = {ALICE: "alice-secret", BOB: "bob-secret"}

_START_S = 120.0
_STATE = "redis.json"
_DATABASES = 2000


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A server in a folder. Any process of the run may kill it and start it again. It keeps nothing on disk."""

    folder: Path
    port: int
    tls_port: int

    @classmethod
    def make(cls, folder: Path, *lines: str) -> RedisServer:
        """Prepare a server, not yet started; `lines` are further ones of its configuration."""
        server = cls(folder, free_port(), free_port())
        (folder / "authority").mkdir()
        authority = Authority(folder / "authority")
        signed = authority.sign("localhost")
        shutil.copy(authority.own.file, server.authority)
        config = [
            "bind 127.0.0.1", f"port {server.port}", f"tls-port {server.tls_port}", f"dir {folder}", 'save ""',
            f"databases {_DATABASES}", f"tls-cert-file {signed.file}", f"tls-key-file {signed.key}",
            f"tls-ca-cert-file {server.authority}", "tls-auth-clients no", "enable-debug-command yes",
            f"user {ALICE} on >{PASSWORDS[ALICE]} ~* &* +@all", f"user {BOB} on >{PASSWORDS[BOB]}", *lines,
        ]  # fmt: skip
        (folder / "redis.conf").write_text("\n".join([*config, ""]))
        (folder / _STATE).write_text(json.dumps({**asdict(server), "folder": str(folder)}))
        return server

    @classmethod
    def at(cls, folder: Path) -> RedisServer:
        """The server that another process has made."""
        state = json.loads((folder / _STATE).read_text())
        return cls(**{**state, "folder": Path(state["folder"])})

    @property
    def authority(self) -> Path:
        """The certificate that vouches for the TLS listener."""
        return self.folder / "authority.pem"

    def url(self, database: int = 0, user: str = "", password: str = "") -> str:
        """The URL of a database, without TLS."""
        credentials = f"{user}:{password}@" if password else ""
        return f"redis://{credentials}127.0.0.1:{self.port}/{database}"

    def tls_url(self, database: int = 0, query: str | None = None) -> str:
        """The URL of a database by TLS; without a `query` our authority vouches for the server."""
        query = f"?ssl_ca_certs={self.authority}" if query is None else query
        return f"rediss://localhost:{self.tls_port}/{database}{query}"

    def new_database(self) -> int:
        """The number of a database that no other test is likely to have; it is empty."""
        number = random.randrange(1, _DATABASES)
        self.client(number).flushdb()
        return number

    def client(self, database: int = 0) -> Any:
        """An unchanged client of redis-py."""
        import redis  # tests that start nothing import no client

        return redis.Redis.from_url(self.url(database), decode_responses=True)

    def start(self) -> RedisServer:
        """Start it, and wait until it takes connections."""
        # A child of the shell: it outlives the test process that starts it, if others of this run still use it.
        begun = subprocess.run(
            ["sh", "-c", 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!', "sh",
             self.folder / "log", need("redis-server"), self.folder / "redis.conf"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        (self.folder / shared.PID).write_text(begun.stdout.strip())
        deadline = time.monotonic() + _START_S
        while not _listens(self.port):
            starts = self._process() is not None and time.monotonic() < deadline
            assert starts, f"Redis does not start:\n{(self.folder / 'log').read_text()[-2000:]}"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """SIGKILL, as a power cut would do."""
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while self._process() is not None or _listens(self.port):
            assert time.monotonic() < deadline, "it outlives SIGKILL"
            time.sleep(0.01)

    def pause(self) -> None:
        """SIGSTOP: it takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _process(self) -> psutil.Process | None:
        with suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            process = psutil.Process(int((self.folder / shared.PID).read_text()))
            if process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return process
        return None

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            if (process := self._process()) is not None:
                os.kill(process.pid, number)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def redis_server(*lines: str, started: bool = True) -> Iterator[RedisServer]:
    """A server of one's own that is up, or is yet to be started; it is gone afterwards whatever happens."""
    need("redis-server")
    folder = Path(tempfile.mkdtemp(prefix="dictograph-redis-", dir="/tmp"))
    one = RedisServer.make(folder, *lines)
    try:
        yield one.start() if started else one
    finally:
        one.resume()
        one.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis() -> RedisServer:
    """The server of this run, for databases of a test's own. A test that kills one takes `own_redis`."""
    need("redis-server")
    with shared.alone("redis") as folder:
        if not (folder / shared.PID).exists():
            RedisServer.make(folder).start()
    return RedisServer.at(folder)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server of this test's own, to be killed and started again."""
    with redis_server() as one:
        yield one
