"""The database's clock is set forward by an hour, and back again. Workers that live keep their jobs, uncharged; jobs
of those that died come back in time; nobody waits for the hour to pass. A worker whose own clock is ahead takes
nothing from those whose clocks are right."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.chaos.deployment import PLAIN, Deployment, deployment
from tests.clock import Clock
from tests.postgres import cluster
from tests.service import Service, eventually

HOUR = 3600
LEASE = 5

#: Bytes of an upload that are written to the disk at once.
BLOCK = 2**18

Kind = Callable[[Path, Clock], AbstractContextManager[Deployment]]


@contextmanager
def _sqlite(folder: Path, clock: Clock) -> Iterator[Deployment]:
    """SQLite has the clock of whoever asks."""
    with clock.worn(), deployment(folder, lease=f"{LEASE}s") as here:
        yield here


@contextmanager
def _postgresql(folder: Path, clock: Clock) -> Iterator[Deployment]:
    """PostgreSQL's clock jumps, those of the workers do not."""
    with contextlib.ExitStack() as stack:
        with clock.worn():
            server = stack.enter_context(cluster(durable=False))
        yield stack.enter_context(deployment(folder, server.new_database(), lease=f"{LEASE}s"))


@pytest.mark.parametrize("kind", [_sqlite, _postgresql])
def test_jobs_survive_a_clock_that_jumps(kind: Kind, tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 600, 1)
    with contextlib.closing(Clock()) as clock, kind(tmp_path, clock) as here:
        here.api.behave(delay=2.0, max_batch=1)  # for longer than it may take until the dead are noticed
        alive, first, second = (here.worker(name) for name in ("alive", "first", "second"))
        jobs = {here.api.submit(audio, **PLAIN): audio for _ in range(3)}
        eventually(lambda: all(here.api.job(job)["seconds_done"] > 0 for job in jobs))
        lost = _killed(here, first, jobs)
        clock.jump(HOUR)
        _returns(here, lost, "the clock was set forward")
        assert _hours_ahead(here, lost) > 0.9, "the clock did not jump"
        jobs[here.api.submit(audio, **PLAIN)] = audio  # available in an hour, by the clock to come
        lost |= _killed(here, second, jobs)
        clock.jump(0)
        _returns(here, lost, "the clock was set back")
        here.api.behave(delay=0.0)
        here.check(jobs)
        assert alive.running
        charges = {job: here.charged(job) for job in jobs}
        assert charges == {job: ["worker_lost"] if job in lost else [] for job in jobs}


def _killed(here: Deployment, worker: Service, jobs: dict[str, Path]) -> dict[str, int]:
    """Kill a worker; the job that it was running, and the number of its attempt."""
    worker.kill()
    (job,) = [job for job in jobs if here.api.job(job)["status"] == "processing" and here.holder(job) is worker]
    return {job: here.api.job(job)["attempt"]}


def _returns(here: Deployment, lost: dict[str, int], why: str) -> None:
    """What the dead held is noticed within two leases, and a turn of the reaper or two on a busy machine."""
    eventually(
        lambda: all(
            here.api.job(job)["failures"] > 0 or here.api.job(job)["attempt"] > last for job, last in lost.items()
        ),
        6 * LEASE,
        why,
    )


def _hours_ahead(here: Deployment, jobs: Iterable[str]) -> float:
    """How far in the future the database has last changed one of these."""
    changed = max(datetime.fromisoformat(here.api.job(job)["updated_at"]) for job in jobs)
    return (changed - datetime.now(UTC)).total_seconds() / HOUR


def test_a_worker_whose_clock_is_ahead_leaves_an_upload_in_progress_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock is not the one that stamps the files."""
    monkeypatch.setenv("NO_FAKE_STAT", "1")  # of files it sees the true times
    with contextlib.closing(Clock()) as clock, deployment(tmp_path, orphan_age="4s") as here:
        clock.jump(HOUR)
        with clock.worn():
            here.worker("ahead")
        stray = tmp_path / "blobs" / "stray" / "0-audio"

        def until_it_has_swept() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(BLOCK)
            stray.parent.mkdir(parents=True)
            stray.write_bytes(b"nobody names this")
            os.utime(stray, (1, 1))
            deadline = time.monotonic() + 60
            while stray.exists():
                assert time.monotonic() < deadline, "the worker does not sweep"
                yield bytes(BLOCK)
                with contextlib.suppress(AssertionError):
                    eventually(lambda: not stray.exists(), 0.2)
            yield b"\r\n--x--\r\n"

        form = {"content-type": "multipart/form-data; boundary=x"}
        answer = here.api.post("/v1/transcriptions", content=until_it_has_swept(), headers=form)
        assert answer.status_code == 202, answer.text
