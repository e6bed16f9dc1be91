"""Short jobs through the HTTP API and the database queue, compared with bare tasks of Celery."""

from __future__ import annotations

import asyncio
import io
import os
import time
import wave

import httpx
import psutil

from bench.celery_tasks import redis_server, tasks_per_second
from bench.figure import AT_LEAST, Check, Goal, Line, Measured, Plot, Table
from bench.room import Room
from tests.service import Service, eventually

NAME = "jobs_per_second"
TITLE = "Jobs per second through API and database queue, engine that does nothing ÷ bare Celery tasks on Redis"
GOAL = Goal(AT_LEAST, 1.0)

_CLIENTS = 8
WARM_UP = 8
_PROCESSES = os.cpu_count() or 1


def measure(room: Room) -> Measured:
    jobs, tasks = (40, 500) if room.quick else (400, 4000)
    with redis_server(room.scratch("redis")) as url:
        kept = tasks_per_second(url, tasks, _PROCESSES, results=True)
        bare = tasks_per_second(url, tasks, _PROCESSES, results=False)
    room.say(f"Celery: {bare:.0f} tasks/s, {kept:.0f} with their results kept")
    with room.service("service") as service:
        asyncio.run(submit(service, WARM_UP))
        wait_for(service, WARM_UP)
        own, children = _cpu(service)
        began = time.monotonic()
        asyncio.run(submit(service, jobs))
        accepted = jobs / (time.monotonic() - began)
        wait_for(service, WARM_UP + jobs)
        done = jobs / (time.monotonic() - began)
        own, children = (
            (after - before) / jobs * 1000 for before, after in zip((own, children), _cpu(service), strict=True)
        )
        completed = counts(service)["completed"]
    room.say(
        f"Dictograph: {done:.1f} jobs/s; CPU of a job: {own:.0f} ms in the service, {children:.0f} ms in its decoder"
    )
    speeds = {"Celery": bare, "Celery, results kept": kept, "Dictograph": done}
    return Measured(
        value=round(done / bare, 3),
        checks=(Check("every job was completed", completed == WARM_UP + jobs),),
        details=Table(
            ("what", "value"),
            (
                ("bare Celery tasks, a second", bare),
                ("the same with results kept in Redis, a second", kept),
                ("Dictograph, jobs accepted a second", accepted),
                ("Dictograph, jobs completed a second", done),
                ("CPU of a job in the service, ms", own),
                ("CPU of a job in its decoder's process, ms", children),
            ),
        ),
        plot=Plot("bars", "", "a second", (Line("a second", tuple(speeds), tuple(speeds.values())),)),
        notes=tuple(" ".join(note.split()) for note in _NOTES),
        reason=_REASON,
    )


_NOTES = (
    f"""A job is a second of WAV, uploaded by one of {_CLIENTS} clients at once, every option the default: stored and
    synced to disk, decoded, speech found, planned, given to the engine, committed; from the first upload to the end of
    the last job. One `dictograph serve` on SQLite.""",
    f"""A task does nothing. One process sends them one by one; one Celery worker with {_PROCESSES} processes runs them;
    everything is Celery's default, on a Redis that keeps nothing on disk: from the first `delay` until the queue is
    empty.""",
)
_REASON = (
    "the two do not do the same: a bare task is two messages in memory, while each job here is an upload over HTTP "
    "that reaches the disk before it is acknowledged, has a dozen durable steps, and is decoded in a sandboxed process "
    "of its own; none of these is given up for speed"
)


async def submit(service: Service, count: int) -> None:
    """Upload `count` files, several at once."""
    audio, left = _second(), iter(range(count))

    async def one_client() -> None:
        async with httpx.AsyncClient(base_url=service.base, timeout=120) as client:
            for _ in left:
                answer = await client.post("/v1/transcriptions", files={"file": ("note.wav", audio)})
                assert answer.status_code == 202, answer.text

    await asyncio.gather(*(one_client() for _ in range(_CLIENTS)))


def _second() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(os.urandom(32_000))  # noise: silence might spare it the engine
    return file.getvalue()


def counts(service: Service) -> dict[str, int]:
    """Return how many jobs are in each state."""
    found: dict[str, int] = service.get("/v1/status").json()["counts"]
    return found


def wait_for(service: Service, ended: int) -> None:
    """Wait until so many jobs have ended."""

    def all_ended() -> bool:
        time.sleep(0.1)  # asking costs the service something too
        found = counts(service)
        return sum(found[state] for state in ("completed", "failed", "cancelled")) >= ended

    eventually(all_ended, 600, "jobs do not end")


def _cpu(service: Service) -> tuple[float, float]:
    """Return the CPU seconds so far: of the service's own process, and of the decoders that have ended.

    The decoders are children of that process or of its fork server.
    """
    assert service.process is not None
    own = psutil.Process(service.process.pid)
    parents = [own, *(child for child in own.children() if "dictograph.child.fork_server" in child.cmdline())]
    ended = [parent.cpu_times() for parent in parents]
    return ended[0].user + ended[0].system, sum(times.children_user + times.children_system for times in ended)
