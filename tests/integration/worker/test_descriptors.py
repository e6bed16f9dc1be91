"""What passes is lived through by the whole service."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.audio_files import write_noise
from tests.service import Service, eventually, service


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are Linux's")
def test_a_service_outlives_that_its_descriptors_are_used_up(tmp_path: Path) -> None:
    """Anybody can do that who may connect."""
    with service(tmp_path) as one:
        eventually(lambda: one.get("/ready").status_code == 200)
        assert one.process is not None
        process = psutil.Process(one.process.pid)
        room = process.num_fds() + 10
        _, hard = resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (room, hard))
        with _connections(one, 40):
            eventually(lambda: process.num_fds() >= room - 1)
            # Eight turns of the reaper. Whether it has anything to complain of depends on the version of
            # Python: from 3.13 on, a folder that cannot be opened is an empty one to `Path.glob`.
            with suppress(AssertionError):
                eventually(lambda: "reaper: " in one.words_of_log() or not one.running, 4)
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert one.running, one.words_of_log()[-2000:]
        done = one.wait_for(one.submit(write_noise(tmp_path / "a.wav", 5, 1), vad_filter="false"))
        assert done["status"] == "completed"


@contextmanager
def _connections(one: Service, count: int) -> Iterator[None]:
    port = int(one.base.rpartition(":")[2])
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        yield
