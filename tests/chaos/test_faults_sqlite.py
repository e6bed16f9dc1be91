"""SQLite's file is locked by somebody for long, and its disk is full: the service says so, and goes on by itself."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx

from tests.audio_files import write_noise
from tests.chaos.deployment import PLAIN, Deployment, deployment
from tests.disks import small_disk
from tests.service import eventually

LEASE = 4


def _busy(here: Deployment, audio: Path) -> dict[str, Path]:
    """Two jobs under way, each at a worker of its own."""
    here.api.behave(delay=0.4, max_batch=1)
    for name in ("one", "two"):
        here.worker(name)
    jobs = {here.api.submit(audio, **PLAIN): audio for _ in range(2)}
    eventually(lambda: all(here.api.job(job)["seconds_done"] > 0 for job in jobs), what="no job begins")
    return jobs


def _refused(here: Deployment, audio: Path, code: str, status: int) -> None:
    """What can be read is answered; what would have to be written is refused with its code."""
    assert here.api.get("/v1/transcriptions").status_code == 200
    with audio.open("rb") as file:
        answer = httpx.post(
            f"{here.api.base}/v1/transcriptions", files={"file": (audio.name, file)}, data=PLAIN, timeout=60
        )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def _goes_on(here: Deployment, jobs: dict[str, Path]) -> None:
    here.api.behave(delay=0.0)
    here.check(jobs)
    assert all(worker.running for worker in here.workers)


def test_a_database_that_somebody_locks_for_long(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 240, 1)
    with deployment(tmp_path, lease=f"{LEASE}s") as here:
        jobs = _busy(here, audio)
        with closing(sqlite3.connect(tmp_path / "shared.db", timeout=30, isolation_level=None)) as thief:
            thief.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            _refused(here, audio, "database_unavailable", 503)
            # At most a turn (15 s) for the write that is waiting already, and one for its own.
            assert 10 < time.monotonic() - began < 45, "a short lock is waited for, a long one is not"
            thief.rollback()
        _goes_on(here, jobs)
        assert {job: here.charged(job) for job in jobs} == {job: [] for job in jobs}


def test_a_database_whose_disk_is_full(tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 240, 1)
    with (
        small_disk(tmp_path / "disk", 16 * 2**20) as disk,
        deployment(
            tmp_path, f"sqlite:///{disk.folder / 'shared.db'}", lease=f"{LEASE}s", weights_patience="1s"
        ) as here,
    ):
        jobs = _busy(here, audio)
        disk.fill()
        _refused(here, audio, "storage_full", 507)
        time.sleep(LEASE)  # the length of the outage is what is tested
        disk.empty()
        _goes_on(here, jobs)
        charged = [code for job in jobs for code in here.charged(job)]
        # Where the last free bytes let the reaper write and not the keeper, a lease is lost.
        assert set(charged) <= {"storage_full", "worker_lost"}
        assert all(here.charged(job).count("worker_lost") <= 1 for job in jobs)
