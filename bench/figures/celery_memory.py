"""The memory of a Celery worker with real weights, by the size of its pool."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.audio import note
from bench.celery_tasks import redis_server
from bench.celery_worker import celery_worker
from bench.contest import settings
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.memory import watched
from bench.real import base
from bench.room import Room

NAME = "celery_memory"
TITLE = "Memory of a Celery worker with a pool of 8 ÷ with a pool of 1"
GOAL = Goal(AT_MOST, 1.5)

_POOLS = (1, 8)
_MIB = 2**20

_HOW = """The highest private memory (USS) of `celery -A dictograph.celery worker` and all processes below it, while
jobs of ten seconds run, as many at once as the pool has processes; Whisper `base` in int8."""


def measure(room: Room) -> Measured:
    audio = note(room.folder / "note.mp3")
    peaks, complete = {}, True
    for pool in _POOLS:
        peaks[pool], ended = _peak(room, pool, 1 if room.quick else 4, audio)
        complete &= ended
        room.say(f"pool of {pool}: {peaks[pool] / _MIB:.0f} MiB")
    return Measured(
        value=round(peaks[8] / peaks[1], 3),
        checks=(Check("every job was completed", complete),),
        details=Table(("pool", "private memory, MiB"), tuple((str(p), peaks[p] / _MIB) for p in _POOLS)),
        notes=(" ".join(_HOW.split()),),
        reason="each process of the pool has a Python of its own, and each running job its decoder",
    )


def _peak(room: Room, pool: int, rounds: int, audio: Path) -> tuple[int, bool]:
    with redis_server(room.scratch(f"redis{pool}")) as url:
        model = {**settings(base()), "queue_url": f"{url}/0"}
        with celery_worker(room, f"pool{pool}", "-c", str(pool), **model) as (api, worker):
            assert worker.process is not None
            with watched(worker.process.pid) as samples, ThreadPoolExecutor(pool) as threads:
                jobs = list(threads.map(lambda _: api.submit(audio), range(pool * rounds)))
                ended = [api.wait_for(job, 600)["status"] == "completed" for job in jobs]
    return samples.peak, all(ended)
