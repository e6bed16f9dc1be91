"""Apache Kafka's programs, fetched through Maven into a folder of the checkout that git ignores.

    python -m scripts.kafka    fetch them, unless they are there

They are 92 files, 55 MB. Maven keeps a copy of its own, so a second checkout fetches nothing.
"""

from __future__ import annotations

import base64
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSION = "4.2.0"
HOME = Path(__file__).resolve().parent.parent / ".tools" / f"kafka-{VERSION}"
JARS = HOME / "jars"

#: The server, and its command line tools.
_ARTIFACTS = ("kafka_2.13", "kafka-tools")

#: A small and quick Java machine: an unoptimised compiler and one collector thread save seconds of each start.
JAVA = ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


class NotFetched(Exception):
    """Kafka cannot be had here; the message says why."""


def lacking() -> str:
    """Return why Kafka cannot run or be fetched here, and what to install; "" when it can."""
    if shutil.which("java") is None:
        return "java is not installed (on Debian: default-jre-headless)"
    if not JARS.exists() and shutil.which("mvn") is None:
        return "Kafka is not fetched, and mvn is not installed (on Debian: maven)"
    return ""


def fetch() -> Path:
    """Return the folder of Kafka's jars, fetched if they are not there. Raises NotFetched."""
    if reason := lacking():
        raise NotFetched(reason)
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not JARS.exists():
            _by_maven()
    return JARS


def _by_maven() -> None:
    part = HOME / "jars.part"
    shutil.rmtree(part, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pom.xml").write_text(_project())
        done = subprocess.run(
            ["mvn", "-B", "-q", "dependency:copy-dependencies", f"-DoutputDirectory={part}"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode != 0 or not part.is_dir():
        raise NotFetched(f"Maven cannot fetch Kafka {VERSION}: {(done.stdout + done.stderr).strip()[-1000:]}")
    part.rename(JARS)


def _project() -> str:
    wanted = "".join(
        f"<dependency><groupId>org.apache.kafka</groupId><artifactId>{name}</artifactId>"
        f"<version>{VERSION}</version></dependency>"
        for name in _ARTIFACTS
    )
    return (
        "<project><modelVersion>4.0.0</modelVersion><groupId>dictograph</groupId><artifactId>kafka</artifactId>"
        f"<version>1</version><dependencies>{wanted}</dependencies></project>"
    )


def command(jars: Path, program: str, *words: str) -> list[str]:
    """Return the command for one of Kafka's programs, a Java class."""
    return [*JAVA, "-cp", f"{jars}/*", program, *words]


def properties(folder: Path, port: int, controller_port: int) -> dict[str, str]:
    """Return the settings of a broker with one node, which is its own controller. It has a short memory for sessions,
    so that it is back soon after SIGKILL, and makes no topic that nobody asked for."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
    }


def as_file(settings: dict[str, str]) -> str:
    """Return settings as the text of a properties file."""
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def format_storage(jars: Path, file: Path, *words: str, account: Mapping[str, Any]) -> None:
    """Make the data folder that a properties file names; `account` is who does it. Raises NotFetched."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    asked = command(jars, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file), *words)
    done = subprocess.run(asked, cwd=file.parent, capture_output=True, text=True, check=False, **account)
    if done.returncode != 0:
        raise NotFetched(f"Kafka's storage cannot be made: {(done.stdout + done.stderr).strip()[-1000:]}")


def near(folder: Path) -> Path:
    """Return a copy of the jars in a server's folder, made of links: the checkout may be closed to its account."""
    jars, there = fetch(), folder / "jars"
    if not there.exists():
        part = folder / "jars.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(jars, part, copy_function=_link)
        part.chmod(0o755)
        part.rename(there)
    return there


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target


def main() -> int:
    try:
        fetch()
    except NotFetched as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
