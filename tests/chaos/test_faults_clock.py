"""The database's clock is set forward and back by an hour. Workers that live keep their jobs, uncharged; jobs of
those that died come back in time; nobody waits for the hour to pass."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.audio_files import write_noise
from tests.chaos.house import PLAIN, House, house
from tests.clock import Clock
from tests.service import eventually

HOUR = 3600
LEASE = 3


@contextmanager
def _on_sqlite(folder: Path, clock: Clock) -> Iterator[House]:
    """SQLite has the clock of whoever asks."""
    with clock.worn(), house(folder, lease=f"{LEASE}s", concurrency=2) as one:
        yield one


@pytest.fixture(params=["sqlite"])
def jumping(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[House, Clock]]:
    clock = Clock(tmp_path)
    with {"sqlite": _on_sqlite}[request.param](tmp_path, clock) as one:
        yield one, clock


def test_jobs_survive_a_clock_that_jumps(jumping: tuple[House, Clock], tmp_path: Path) -> None:
    here, clock = jumping
    short, long = write_noise(tmp_path / "short.wav", 50, 1), write_noise(tmp_path / "long.wav", 600, 2)
    here.api.behave(delay=1.0, max_batch=1)
    alive = here.worker("alive")
    kept = here.api.submit(long, **PLAIN)
    eventually(lambda: here.api.job(kept)["seconds_done"] > 0)
    jobs, lost = {kept: long}, []
    for name, seconds in (("before the jump forward", HOUR), ("before the jump back", 0)):
        dying = here.worker(name.replace(" ", "-"))
        one = _run_by(here, dying, short, jobs)
        dying.kill()
        waiting = here.api.submit(short, **PLAIN)
        jobs[waiting] = short
        clock.jump(seconds)
        jumped = time.monotonic()
        eventually(
            lambda one=one: here.api.job(one)["failures"] == 1, 4 * LEASE, f"{name}: the dead worker keeps its job"
        )
        eventually(
            lambda waiting=waiting: here.api.job(waiting)["status"] != "pending",
            4 * LEASE,
            f"{name}: nobody takes a new job",
        )
        print(f"{name}: {time.monotonic() - jumped:.1f} s")
        lost.append(one)
    here.check(jobs)
    assert alive.running
    assert {job: here.charged(job) for job in jobs} == {job: ["worker_lost"] if job in lost else [] for job in jobs}


def _run_by(here: House, worker: object, audio: Path, jobs: dict[str, Path]) -> str:
    """A job that this worker runs. The others are welcome to what they take before it."""

    def look() -> str | None:
        job = here.api.submit(audio, **PLAIN)
        jobs[job] = audio
        return job if here.holder(job) is worker else None

    return eventually(look)
