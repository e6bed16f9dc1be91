"""The database's clock is set forward by an hour, and back again. Workers that live keep their jobs, uncharged; jobs
of those that died come back in time; nobody waits for the hour to pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.chaos.house import PLAIN, House, house
from tests.clock import Clock
from tests.postgres import cluster
from tests.service import Service, eventually

HOUR = 3600
LEASE = 5

Kind = Callable[[Path, Clock], AbstractContextManager[House]]


@contextmanager
def _sqlite(folder: Path, clock: Clock) -> Iterator[House]:
    """SQLite has the clock of whoever asks."""
    with clock.worn(), house(folder, lease=f"{LEASE}s") as here:
        yield here


@contextmanager
def _postgresql(folder: Path, clock: Clock) -> Iterator[House]:
    """PostgreSQL's clock jumps, those of the workers do not."""
    with contextlib.ExitStack() as stack:
        with clock.worn():
            server = stack.enter_context(cluster(durable=False))
        yield stack.enter_context(house(folder, server.new_database(), lease=f"{LEASE}s"))


@pytest.mark.parametrize("kind", [_sqlite, _postgresql])
def test_jobs_survive_a_clock_that_jumps(kind: Kind, tmp_path: Path) -> None:
    audio = write_noise(tmp_path / "a.wav", 600, 1)
    with contextlib.closing(Clock()) as clock, kind(tmp_path, clock) as here:
        here.api.behave(delay=1.0, max_batch=1)
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


def _killed(here: House, worker: Service, jobs: dict[str, Path]) -> dict[str, int]:
    """Kill a worker; the job that it was running, and the number of its attempt."""
    worker.kill()
    (job,) = [job for job in jobs if here.api.job(job)["status"] == "processing" and here.holder(job) is worker]
    return {job: here.api.job(job)["attempt"]}


def _returns(here: House, lost: dict[str, int], why: str) -> None:
    """What the dead held is noticed within two leases, and a turn of the reaper or two on a busy machine."""
    eventually(
        lambda: all(
            here.api.job(job)["failures"] > 0 or here.api.job(job)["attempt"] > last for job, last in lost.items()
        ),
        3 * LEASE,
        why,
    )


def _hours_ahead(here: House, jobs: Iterable[str]) -> float:
    """How far in the future the database has last changed one of these."""
    changed = max(datetime.fromisoformat(here.api.job(job)["updated_at"]) for job in jobs)
    return (changed - datetime.now(UTC)).total_seconds() / HOUR
