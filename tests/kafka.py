"""A real Kafka broker: one for all tests of a run, and brokers of one's own to be killed and started again.

Listeners: plain (anybody, all rights), with a password (SASL PLAIN, SCRAM), with TLS.
"""

from __future__ import annotations

import fcntl
import json
import os
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
from typing import TYPE_CHECKING

import psutil
import pytest

from scripts import kafka
from scripts.machine import free_port
from tests import shared
from tests.certificates import Authority
from tests.needs import missing

if TYPE_CHECKING:
    from confluent_kafka.admin import AdminClient

#: May do everything; may do nothing. Their passwords.
ALICE, BOB = "alice", "bob"
PASSWORDS = {ALICE: "alice-secret", BOB: "bob-secret"}

_START_S = 120.0
_STATE = "broker.json"
_FORMATTED = kafka.HOME / "formatted-for-tests"


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker in a folder. Any process of the run may kill it and start it again."""

    folder: Path
    port: int
    controller_port: int
    sasl_port: int
    tls_port: int

    @classmethod
    def make(cls, folder: Path) -> Broker:
        """Prepare a broker, not yet started."""
        broker = cls(folder, *(free_port() for _ in range(4)))
        shutil.copytree(_formatted(), folder / "data")
        authority = folder / "authority"
        authority.mkdir()
        certificates = Authority(authority)
        server = certificates.sign("localhost")
        (folder / "server.pem").write_text(server.key.read_text() + server.file.read_text())
        (folder / "authority.pem").write_text(certificates.own.file.read_text())
        (folder / "server.properties").write_text(kafka.as_file(broker._properties()))
        (folder / _STATE).write_text(json.dumps({**asdict(broker), "folder": str(folder)}))
        return broker

    @classmethod
    def at(cls, folder: Path) -> Broker:
        """The broker that another process has made."""
        state = json.loads((folder / _STATE).read_text())
        return cls(**{**state, "folder": Path(state["folder"])})

    @property
    def servers(self) -> str:
        """For `bootstrap.servers`, without any security."""
        return f"127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate that vouches for the TLS listener."""
        return self.folder / "authority.pem"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                kafka.command(kafka.JARS, "kafka.Kafka", "server.properties"),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        (self.folder / shared.PID).write_text(str(process.pid))
        deadline = time.monotonic() + _START_S
        while not _listens(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"Kafka does not start:\n{(self.folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)
        process.returncode = 0  # nobody waits for it: it may outlive this process, and any process may kill it

    def kill(self) -> None:
        """SIGKILL, as a power cut would do."""
        with suppress(FileNotFoundError, ProcessLookupError, psutil.NoSuchProcess):
            process = psutil.Process(int((self.folder / shared.PID).read_text()))
            os.kill(process.pid, signal.SIGKILL)
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
        while _listens(self.port):  # its threads end a little later
            time.sleep(0.01)

    def admin(self) -> AdminClient:
        """A client for topics and groups, with all rights."""
        from confluent_kafka.admin import AdminClient  # tests that start nothing import no client

        return AdminClient({"bootstrap.servers": self.servers, "log_level": 0})

    def make_topic(self, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        """Make a topic, and return its name once the broker knows it."""
        from confluent_kafka.cimpl import NewTopic

        admin = self.admin()
        made = admin.create_topics([NewTopic(name, partitions, 1, config=config or {})])
        made[name].result(60)
        while name not in admin.list_topics(timeout=60).topics:
            time.sleep(0.02)
        return name

    def console(self, program: str, *words: str) -> list[str]:
        """The command for one of Kafka's own console programs, a Java class."""
        return kafka.command(kafka.JARS, program, "--bootstrap-server", self.servers, *words)

    def _properties(self) -> dict[str, str]:
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        users = " ".join(f'user_{name}="{password}"' for name, password in PASSWORDS.items())
        own = f"PLAINTEXT://127.0.0.1:{self.port},PASSWORD://127.0.0.1:{self.sasl_port}"
        protocols = "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PASSWORD:SASL_PLAINTEXT,TLS:SSL"
        return kafka.properties(self.folder, self.port, self.controller_port) | {
            "listeners": f"{own},TLS://127.0.0.1:{self.tls_port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"{own},TLS://localhost:{self.tls_port}",
            "listener.security.protocol.map": protocols,
            "listener.name.password.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.password.plain.sasl.jaas.config": f"{plain} {users};",
            "listener.name.password.scram-sha-256.sasl.jaas.config": scram,
            "listener.name.password.scram-sha-512.sasl.jaas.config": scram,
            "listener.name.tls.ssl.keystore.type": "PEM",
            "listener.name.tls.ssl.keystore.location": str(self.folder / "server.pem"),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:ANONYMOUS;User:{ALICE}",
            "log.flush.interval.messages": "10000",
            "group.min.session.timeout.ms": "1000",
        }


def _formatted() -> Path:
    """A data folder that brokers begin with. It is made once for the checkout, since that takes seconds."""
    with (kafka.HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _FORMATTED.exists():
            with tempfile.TemporaryDirectory(dir=kafka.HOME) as place:
                folder = Path(place)
                (folder / "server.properties").write_text(kafka.as_file(kafka.properties(folder, 1, 2)))
                users = [
                    word
                    for name, password in PASSWORDS.items()
                    for kind in ("SCRAM-SHA-256", "SCRAM-SHA-512")
                    for word in ("--add-scram", f"{kind}=[name={name},password={password}]")
                ]
                kafka.format_storage(kafka.JARS, folder / "server.properties", *users, account={})
                (folder / "data").rename(_FORMATTED)
    return _FORMATTED


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _fetched() -> None:
    try:
        kafka.fetch()
    except kafka.NotFetched as error:
        missing(str(error))


@contextmanager
def broker(*, started: bool = True) -> Iterator[Broker]:
    """A broker of one's own that is up, or is yet to be started; it is gone afterwards whatever happens."""
    _fetched()
    folder = Path(tempfile.mkdtemp(prefix="dictograph-kafka-", dir="/tmp"))
    one = Broker.make(folder)
    try:
        if started:
            one.start()
        yield one
    finally:
        one.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_broker() -> Broker:
    """The broker of this run, for topics and groups of a test's own. A test that kills one takes `own_kafka_broker`."""
    _fetched()
    with shared.alone("kafka") as folder:
        if not (folder / _STATE).exists():
            Broker.make(folder).start()
    return Broker.at(folder)


@pytest.fixture(scope="module")
def own_kafka_broker() -> Iterator[Broker]:
    """A broker of this file's own, to be killed and started again."""
    with broker() as one:
        yield one
