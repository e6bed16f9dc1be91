"""The servers that `make services` runs: how each is made, started, queried and named to its users.

A further server needs a class with these members, and a line in `SERVERS`.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from scripts import kafka
from scripts.machine import free_port, give_away, is_taken, processes_inside, unprivileged, write_secret
from scripts.s3 import find_server

USER = "dictograph"

#: The folders of PostgreSQL's programs if they are not on PATH: Debian, then Homebrew on both kinds of Mac.
POSTGRES_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)


class Broken(Exception):
    """A server cannot be run; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a server. Port and password stay the same as long as its folder is kept."""

    folder: Path
    port: int
    password: str


class Server(Protocol):
    """`package` is Debian's. All calls are made after `installed` was true."""

    name: str
    package: str

    def installed(self) -> bool: ...
    def prepare(self, place: Place) -> None:
        """Make what the server needs, unless it exists. Called before each start, and never while the server runs."""

    def command(self, place: Place) -> list[str]: ...
    def answers(self, place: Place) -> bool: ...
    def settle(self, place: Place) -> None:
        """Finish the setup; called when the server answers."""

    def variables(self, place: Place) -> dict[str, str]:
        """Return the environment variables for programs that use the server."""


class PostgreSQL:
    name = "postgresql"
    package = "postgresql"

    def installed(self) -> bool:
        return find_postgres() is not None

    def prepare(self, place: Place) -> None:
        data = place.folder / "data"
        if not data.exists():
            part, password = place.folder / "data.part", place.folder / "password"
            shutil.rmtree(part, ignore_errors=True)  # of an interrupted run
            write_secret(password, place.password)
            self._call("initdb", "-D", str(part), *initdb_words(password))
            password.unlink()
            part.rename(data)
        _forget_stale_lock(data)

    def command(self, place: Place) -> list[str]:
        options = {"port": place.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", str(place.folder / "data"), *words]

    def answers(self, place: Place) -> bool:
        asked = [self._program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(place.port)]
        return subprocess.run(asked, check=False).returncode == 0

    def settle(self, place: Place) -> None:
        found = self._call("psql", "-XAtc", "SELECT datname FROM pg_database", self._url(place, ""))
        if USER not in found.split():
            self._call("psql", "-Xqc", f"CREATE DATABASE {USER}", self._url(place, ""))

    def variables(self, place: Place) -> dict[str, str]:
        return {"DICTOGRAPH_DATABASE_URL": self._url(place, USER)}

    def _url(self, place: Place, database: str) -> str:
        return f"postgresql://{USER}:{place.password}@127.0.0.1:{place.port}/{database or 'postgres'}"

    def _program(self, name: str) -> str:
        folder = find_postgres()
        assert folder is not None
        return str(folder / name)

    def _call(self, name: str, *words: str) -> str:
        done = subprocess.run(
            [self._program(name), *words], capture_output=True, text=True, check=False, cwd="/", **unprivileged()
        )
        if done.returncode != 0:
            raise Broken(f"{name} failed: {done.stderr.strip()}")
        return str(done.stdout)


class Redis:
    name = "redis"
    package = "redis-server"

    def installed(self) -> bool:
        return shutil.which("redis-server") is not None

    def prepare(self, place: Place) -> None:
        lines = ["bind 127.0.0.1", f"port {place.port}", f"requirepass {place.password}", "appendonly yes"]
        write_secret(place.folder / "redis.conf", "\n".join([*lines, f'dir "{place.folder}"', ""]))

    def command(self, place: Place) -> list[str]:
        return ["redis-server", str(place.folder / "redis.conf")]

    def answers(self, place: Place) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", place.port), timeout=1) as connection:
            connection.sendall(f"AUTH {place.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        return False

    def settle(self, place: Place) -> None:
        """Do nothing: no setup is left."""

    def variables(self, place: Place) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{place.password}@127.0.0.1:{place.port}/0"}


class Kafka:
    name = "kafka"
    package = "default-jre-headless maven"

    def installed(self) -> bool:
        return not kafka.lacking()

    def prepare(self, place: Place) -> None:
        """Fetch the programs and format the storage at the first start; the controller's port is free each time."""
        file = place.folder / "server.properties"
        try:
            jars = kafka.near(place.folder)
            write_secret(file, kafka.as_file(kafka.properties(place.folder, place.port, free_port())))
            if not (place.folder / "data").exists():
                kafka.format_storage(jars, file, account=unprivileged())
        except kafka.NotFetched as error:
            raise Broken(str(error)) from error

    def command(self, place: Place) -> list[str]:
        return kafka.command(place.folder / "jars", "kafka.Kafka", str(place.folder / "server.properties"))

    def answers(self, place: Place) -> bool:
        return is_taken(place.port)  # it listens when it has become a broker

    def settle(self, place: Place) -> None:
        """Do nothing: no setup is left."""

    def variables(self, place: Place) -> dict[str, str]:
        return {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{place.port}"}


class S3:
    name = "s3"
    package = "golang, then scripts/s3-server"
    _KEY = "dictograph"

    def installed(self) -> bool:
        return find_server() is not None

    def prepare(self, place: Place) -> None:
        """Put the program where the account that runs servers may read it."""
        program, own = find_server(), place.folder / "server"
        assert program is not None
        if not own.exists():
            shutil.copy(program, own)
        (place.folder / "data").mkdir(exist_ok=True)
        give_away(place.folder / "data")
        write_secret(place.folder / "keys", f"ROOT_ACCESS_KEY={self._KEY}\nROOT_SECRET_KEY={place.password}\n")

    def command(self, place: Place) -> list[str]:
        words = ["--port", f"127.0.0.1:{place.port}", "--quiet", "posix", str(place.folder / "data")]
        return ["sh", "-c", 'cd "$0" && set -a && . ./keys && exec ./server "$@"', str(place.folder), *words]

    def answers(self, place: Place) -> bool:
        return is_taken(place.port)

    def settle(self, place: Place) -> None:
        """Do nothing: the service makes its bucket."""

    def variables(self, place: Place) -> dict[str, str]:
        return {
            "DICTOGRAPH_STORAGE_URL": "s3://dictograph",
            "DICTOGRAPH_S3_ENDPOINT": f"http://127.0.0.1:{place.port}",
            "DICTOGRAPH_S3_REGION": "us-east-1",
            "DICTOGRAPH_S3_ACCESS_KEY": self._KEY,
            "DICTOGRAPH_S3_SECRET_KEY": place.password,
        }


SERVERS: tuple[Server, ...] = (PostgreSQL(), Redis(), Kafka(), S3())


def find_postgres() -> Path | None:
    """Return the folder with PostgreSQL's programs: that on PATH, or else the newest installed one."""
    found = [Path(path).resolve().parent] if (path := shutil.which("initdb")) else []
    for place in POSTGRES_PLACES:
        found += sorted(Path("/").glob(place.lstrip("/")), key=_version, reverse=True)
    return next((folder for folder in found if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def initdb_words(password: Path) -> list[str]:
    """Return the arguments for a new cluster with one user, who needs the password in the file."""
    return [
        "--username", USER, "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C",
    ]  # fmt: skip


def _forget_stale_lock(data: Path) -> None:
    """Remove a stale lock file. After a power cut it may name another program's process, and PostgreSQL cannot tell."""
    lock = data / "postmaster.pid"
    if lock.exists() and psutil.pid_exists(int(lock.read_text().split()[0])) and not list(processes_inside(data)):
        lock.unlink()


def _version(folder: Path) -> int:
    numbers = re.findall(r"\d+", str(folder))
    return int(numbers[-1]) if numbers else 0
