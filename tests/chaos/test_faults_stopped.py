"""A worker freezes for longer than its lease, and comes back when its job is another's."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.chaos.deployment import PLAIN, Deployment, deployment
from tests.postgres import Cluster
from tests.service import Service, eventually


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_worker_stopped_past_its_lease_has_every_write_refused(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = ""
    if kind == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.new_database()
    audio = write_noise(tmp_path / "a.wav", 250, 1)
    with deployment(tmp_path, url, lease="3s") as here:
        here.api.behave(delay=0.5, max_batch=1)
        first = here.worker("first")
        job = here.api.submit(audio, **PLAIN)
        eventually(lambda: here.api.job(job)["seconds_done"] > 0)
        eventually(lambda: _stopped_outside_of_a_write(first, here))
        taken_at = here.api.job(job)["seconds_done"]
        second = here.worker("second")
        # One that is stopped in a transaction keeps PostgreSQL's lock on the row until the server has had enough.
        eventually(
            lambda: here.holder(job) is second and here.api.job(job)["seconds_done"] > taken_at, 60, "nobody takes over"
        )
        _signal(first, signal.SIGCONT)
        eventually(lambda: "no longer ours" in first.words_of_log(), 30, "the first worker never noticed")
        here.api.behave(delay=0.0)
        undisturbed = here.api.submit(audio, **PLAIN)
        here.check({job: audio, undisturbed: audio})
        assert [one.data["attempt"] for one in here.events(job) if one.type == "started"] == [1, 2]
        assert (here.charged(job), here.charged(undisturbed)) == (["worker_lost"], [])
        assert first.running


def _signal(worker: Service, number: int) -> None:
    assert worker.process is not None
    os.killpg(worker.process.pid, number)  # the worker; its children are in sessions of their own


def _stopped_outside_of_a_write(worker: Service, here: Deployment) -> bool:
    """Stop a worker; but one that is stopped in a transaction would keep SQLite's one lock for as long as it is."""
    _signal(worker, signal.SIGSTOP)
    if not here.url.startswith("sqlite"):
        return True
    with closing(sqlite3.connect(here.url.removeprefix("sqlite:///"), timeout=1, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
            database.rollback()
        except sqlite3.OperationalError:
            _signal(worker, signal.SIGCONT)
            return False
    return True
