"""A real S3 server: one for each suite run, shared by its processes, with buckets of a test's own; or one of one's own,
to be stopped, killed and started again."""

from __future__ import annotations

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
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from dictograph.blobs.options import S3Options, StorageOptions
from scripts.machine import free_port
from scripts.s3 import find_server
from tests import shared
from tests.needs import missing

ACCESS_KEY, SECRET_KEY, REGION = "dictograph", "a-secret-of-tests", "us-east-1"


@dataclass(slots=True)
class S3Server:
    """A server on 127.0.0.1 whose buckets are folders in `folder`."""

    folder: Path
    port: int
    program: Path
    pid: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> S3Server:
        """Start it, and wait until it takes connections."""
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        environment = os.environ | {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        data = str(self.folder / "data")
        command = [str(self.program), "--port", f"127.0.0.1:{self.port}", "--quiet", "posix", data]
        # A child of the shell: it outlives the test process that starts it, if others of this run still use it.
        begun = subprocess.run(
            ["sh", "-c", 'log=$1; shift; "$@" >>"$log" 2>&1 </dev/null & echo $!', "sh", self.folder / "log", *command],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.pid = int(begun.stdout)
        deadline = time.monotonic() + 60
        while not self._takes_connections():
            starts = self._lives() and time.monotonic() < deadline
            assert starts, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """SIGKILL, as a power cut would do."""
        self._signal(signal.SIGKILL)
        deadline = time.monotonic() + 60
        while self._lives():
            assert time.monotonic() < deadline, "it outlives SIGKILL"
            time.sleep(0.01)

    def pause(self) -> None:
        """SIGSTOP: it takes connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def client(self, **settings: Any) -> Any:
        """An unchanged client of boto3, as anybody would make it for such a server."""
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": REGION}
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        return boto3.client("s3", endpoint_url=self.endpoint, config=config, **{**keys, **settings})

    def new_bucket(self) -> str:
        """The name of a bucket that nobody else uses. It is not made."""
        return f"test-{uuid4().hex[:20]}"

    def options(self, **others: Any) -> StorageOptions:
        """How a storage reaches this server."""
        return StorageOptions(
            s3=S3Options(
                **{"endpoint": self.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "region": REGION}
                | others
            )
        )

    def settings(self, bucket: str, prefix: str = "") -> dict[str, str]:
        """The settings of a service that stores into a bucket here."""
        return {
            "storage_url": f"s3://{bucket}/{prefix}",
            "s3_endpoint": self.endpoint,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
            "s3_region": REGION,
        }

    def _lives(self) -> bool:
        try:
            return psutil.Process(self.pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        except psutil.NoSuchProcess:
            return False

    def _signal(self, number: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(self.pid).send_signal(number)

    def _takes_connections(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


@contextmanager
def own_server() -> Iterator[S3Server]:
    """A server for one test, gone afterwards whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="dictograph-s3-", dir="/tmp"))
    server = S3Server(folder, free_port(), _program())
    try:
        yield server.start()
    finally:
        server.resume()
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def s3() -> S3Server:
    """The server of this run, for buckets of a test's own. A test that stops one takes `own_server`."""
    program = _program()
    with shared.alone("s3") as folder:
        state = folder / "state.json"
        if not state.exists():
            server = S3Server(folder, free_port(), program).start()
            (folder / shared.PID).write_text(str(server.pid))
            state.write_text(json.dumps({"port": server.port, "pid": server.pid}))
        return S3Server(folder, program=program, **json.loads(state.read_text()))


def _program() -> Path:
    found = find_server()
    if found is None:
        missing("the S3 server is not built (scripts/s3-server)")
    return found
