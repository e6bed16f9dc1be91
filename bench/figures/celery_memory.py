"""The memory of a Celery worker with real weights, by the size of its pool."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.audio import note
from bench.celery_tasks import redis_server
from bench.celery_worker import celery_worker
from bench.contest import settings
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.memory import private_memory, watched
from bench.real import base
from bench.room import Room

NAME = "celery_memory"
TITLE = "Memory of a Celery worker with a pool of 8 ÷ with a pool of 1"
GOAL = Goal(AT_MOST, 1.5)

_POOLS = (1, 8)
_MIB = 2**20

_HOW = """The private memory (USS) of `celery -A dictograph.celery worker` and all processes below it, with Whisper
`base` in int8: after jobs of ten seconds, as many at once as the pool has processes, have run, the model in memory.
The peak is that while they ran: each running job has a decoder, and more windows are transcribed at once."""


def measure(room: Room) -> Measured:
    audio = note(room.folder / "note.mp3")
    sizes, rows, complete = {}, [], True
    for pool in _POOLS:
        sizes[pool], peak, ended = _sizes(room, pool, 1 if room.quick else 4, audio)
        complete &= ended
        rows.append((str(pool), sizes[pool] / _MIB, peak / _MIB))
        room.say(f"pool of {pool}: {sizes[pool] / _MIB:.0f} MiB, at most {peak / _MIB:.0f} MiB")
    return Measured(
        value=round(sizes[8] / sizes[1], 3),
        checks=(Check("every job was completed", complete),),
        details=Table(("pool", "private memory, MiB", "its peak, MiB"), tuple(rows)),
        notes=(" ".join(_HOW.split()),),
        reason="each process of the pool has a Python of its own",
    )


def _sizes(room: Room, pool: int, rounds: int, audio: Path) -> tuple[int, int, bool]:
    with redis_server(room.scratch(f"redis{pool}")) as url:
        model = {**settings(base()), "queue_url": f"{url}/0"}
        with celery_worker(room, f"pool{pool}", "-c", str(pool), **model) as (api, worker):
            assert worker.process is not None
            with watched(worker.process.pid) as samples, ThreadPoolExecutor(pool) as threads:
                jobs = list(threads.map(lambda _: api.submit(audio), range(pool * rounds)))
                ended = [api.wait_for(job, 600)["status"] == "completed" for job in jobs]
            size = private_memory(worker.process.pid)
    return size, samples.peak, all(ended)
