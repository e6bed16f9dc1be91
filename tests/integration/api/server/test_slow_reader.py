"""Subscribers that ask and never read: given up after a while, and no trouble to anybody in the meantime."""

from __future__ import annotations

import base64
import os
import select
import socket
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dictograph.store.database import Database
from dictograph.store.jobs import progress
from tests.integration.api.live import FakeWorker, Live, live
from tests.service import eventually

JOBS = "/v1/transcriptions"
WINDOWS = 60
LOUD = 50_000  # bytes of text in a window: together more than any buffer on the way holds


@pytest.fixture
def impatient(tmp_path: Path, migrated: Path) -> Iterator[Live]:
    with live(tmp_path, migrated=migrated, unread_timeout=1.0) as one:
        yield one


@pytest.fixture
def job(impatient: Live) -> Iterator[str]:
    """A job with three megabytes of events, still running."""
    with impatient.client() as client:
        name = str(client.post(JOBS, files={"file": ("a.wav", b"x")}).json()["id"])
    database = Database.open(impatient.settings.database)
    hand = FakeWorker(database)
    lease = hand.claim()
    hand.freeze()
    hand.plan(WINDOWS, complete=False)
    for index in range(WINDOWS):
        text = {"start": index * 10.0, "end": index * 10.0 + 1, "text": "x" * LOUD}
        result: dict[str, Any] = {"segments": [text], "sampled": False}
        database.write_now(partial(progress.commit_windows, lease=lease, results=[(index, result)]))
    yield name
    database.close_now()


def ask(api: Live, job: str, kind: str) -> socket.socket:
    """Ask for the job's events over a connection that takes very little by itself."""
    host, _, port = api.base.removeprefix("http://").rpartition(":")
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.connect((host, int(port)))
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
    )
    path, more = ("ws", upgrade) if kind == "ws" else ("events", "")
    one.sendall(f"GET {JOBS}/{job}/{path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
    return one


def given_up(one: socket.socket) -> bool:
    poll = select.poll()
    poll.register(one, 0)  # errors and hang-ups are told in any case
    return bool(poll.poll(0))


@pytest.mark.parametrize("kind", ["sse", "ws"])
def test_who_never_reads_is_given_up(impatient: Live, job: str, kind: str) -> None:
    with ask(impatient, job, kind) as stalled:
        eventually(lambda: given_up(stalled), 30, "it is served for ever")


def test_who_reads_slowly_gets_everything_and_waits_for_nobody(impatient: Live, job: str) -> None:
    with ask(impatient, job, "sse") as stalled, ask(impatient, job, "sse") as slow:
        began, size = time.monotonic(), 0
        while size < WINDOWS * LOUD:
            size += len(slow.recv(65536))
            time.sleep(0.003)  # not to be as fast as the service is what this is about
        assert time.monotonic() - began > 1.0, "longer than a client may take nothing"
        assert not given_up(slow)
        with impatient.client() as client:
            assert client.get(f"{JOBS}/{job}").json()["status"] == "processing"
        eventually(lambda: given_up(stalled))
