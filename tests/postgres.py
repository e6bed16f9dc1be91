"""A PostgreSQL of one's own: on a free port of 127.0.0.1, to be started, paused, killed and thrown away."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psutil
import pytest

from scripts.machine import free_port, give_away, unprivileged, write_secret
from scripts.servers import USER, find_postgres, initdb_words
from tests.needs import missing

#: What makes a cluster quick and small, and what makes it quick at the price of its files after a power cut.
SMALL = {"shared_buffers": "32MB", "max_connections": "200", "max_wal_size": "128MB", "log_min_messages": "warning"}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Cluster:
    """A cluster in a folder. When we are root that has to be one that others may enter: PostgreSQL's programs
    refuse root, and run as somebody else."""

    def __init__(self, folder: Path, *, durable: bool = True, programs: Path | None = None) -> None:
        found = programs or find_postgres()
        assert found is not None, "PostgreSQL is not installed"
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.port = free_port()
        self.password = secrets.token_hex(12)
        self.durable = durable
        self._programs = found
        self._names = (f"test_{number}" for number in count(1))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> Cluster:
        """Start it, and wait until it takes connections. After a kill this replays its log."""
        assert not self.running
        if not self.data.exists():
            self._create()
        options = {**SMALL, **({} if self.durable else CARELESS), "port": self.port}
        options |= {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.data, *words],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True, **unprivileged(),
            )  # fmt: skip
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """The fast way: connections are cut, transactions rolled back, all is written."""
        if self.running:
            self.resume()
            self._postmaster.send_signal(signal.SIGINT)
            self._postmaster.wait(60)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        """SIGKILL to all its processes, as a power cut would do."""
        family = self._family_stopped()
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        self._postmaster.wait(30)
        deadline = time.monotonic() + 30
        while any(_lives(one) for one in family):
            assert time.monotonic() < deadline, f"it outlives SIGKILL: {family}"
            time.sleep(0.01)

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered, as when a machine or its network hangs."""
        self._family_stopped()

    def resume(self) -> None:
        for one in reversed(self._family()):
            with suppress(psutil.NoSuchProcess):
                one.resume()

    def new_database(self, template: str | None = None) -> str:
        """The URL of a new database, empty or a copy of the one with the URL `template`, which nobody may be using."""
        name = next(self._names)
        copied = "" if template is None else f" TEMPLATE {template.rpartition('/')[2]}"
        self.execute(f"CREATE DATABASE {name}{copied}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> str:
        """Have psql execute a statement, and give what it prints: rows of values, parted by `|`."""
        command = [str(self._programs / "psql"), "-XAtqc", statement, self.url(database)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @property
    def _postmaster(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was never started"
        return self._process

    def _family(self) -> list[psutil.Process]:
        """The postmaster, and its children."""
        try:
            postmaster = psutil.Process(self._postmaster.pid)
            return [postmaster, *postmaster.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _family_stopped(self) -> list[psutil.Process]:
        """All stopped, the postmaster first: so it can neither start another child nor mourn one."""
        self._postmaster.send_signal(signal.SIGSTOP)
        family = self._family()
        for one in family[1:]:
            with suppress(psutil.NoSuchProcess):
                one.suspend()
        return family

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        password = self.folder / "password"
        give_away(self.folder)
        write_secret(password, self.password)
        command = [str(self._programs / "initdb"), "-D", str(self.data), "--no-sync", *initdb_words(password)]
        made = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, check=False, **unprivileged())
        assert made.returncode == 0, made.stderr

    def _wait_until_ready(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        command = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(command, check=False).returncode != 0:
            if not self.running or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL does not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.02)


@contextmanager
def cluster(*, durable: bool = True) -> Iterator[Cluster]:
    """A cluster that is up, and gone afterwards whatever happens; without PostgreSQL the test is skipped, or fails
    where `CI` is set."""
    programs = find_postgres()
    if programs is None:
        missing("PostgreSQL is not installed (on Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="dictograph-pg-", dir="/tmp"))  # pytest's folders are closed to others
    one = Cluster(folder, durable=durable, programs=programs)
    try:
        yield one.start()
    finally:
        if one.running:
            one.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A cluster for all tests of this process, for databases of their own in it. It forgets all in a power cut; who
    wants to stop or kill one takes `cluster`."""
    with cluster(durable=False) as one:
        yield one


def _lives(process: psutil.Process) -> bool:
    """Whether it still can do something; one that nobody has buried yet cannot."""
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
