"""How soon a task has its result after Redis was killed and started again."""

from __future__ import annotations

import time

from bench.celery_worker import celery_worker
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.room import Room
from tests.celery_worker import COUNT, client
from tests.redis import redis_server

NAME = "celery_restart"
TITLE = "From the restart of a killed Redis to the result of a new job's task"
GOAL = Goal(AT_MOST, 30, "s")

#: How long Redis is away, in seconds.
_AWAY = (0.5, 5.0)

_HOW = """Redis is killed while a task waits, and started again empty after {away} s. Then a job is uploaded: the time
from the start of Redis until Celery's own client has the result of its task. The slowest counts."""


def measure(room: Room) -> Measured:
    rows = []
    for away in _AWAY[:1] if room.quick else _AWAY:
        rows.append((f"{away:g} s", _once(room, away)))
        room.say(f"away for {away:g} s: the result after {rows[-1][1]:.1f} s")
    return Measured(
        value=round(max(seconds for _, seconds in rows), 1),
        checks=(Check("every result came", True),),
        details=Table(("Redis was away for", "seconds until the result"), tuple(rows)),
        notes=(" ".join(_HOW.format(away=" and ".join(f"{one:g}" for one in _AWAY)).split()),),
    )


def _once(room: Room, away: float) -> float:
    with (
        redis_server() as server,
        celery_worker(room, f"away{away}", "-c", "2", queue_url=server.url()) as (api, _),
    ):
        api.behave(delay=1, max_batch=1)
        api.submit(COUNT)
        time.sleep(1)  # its task waits
        server.kill()
        api.behave()
        time.sleep(away)
        server.start()
        began = time.monotonic()
        job = api.submit(COUNT)
        client(server.url()).AsyncResult(job).get(timeout=120)
        return time.monotonic() - began
