"""Short jobs on PostgreSQL, the queue on Redis with Celery, compared with the queue in the database."""

from __future__ import annotations

import asyncio
import time

from bench.celery_tasks import redis_server
from bench.figure import AT_LEAST, Check, Goal, Measured, Table
from bench.figures.jobs_per_second import WARM_UP, counts, submit, wait_for
from bench.room import Room
from tests.postgres import cluster
from tests.service import Service

NAME = "celery_queue"
TITLE = "Jobs per second with an engine that does nothing, PostgreSQL: Celery queue ÷ database queue"
GOAL = Goal(AT_LEAST, 0.8)

_ROUNDS = 2

_HOW = """One `dictograph serve`; a job is a second of WAV, uploaded by one of eight clients at once; from the first
upload to the end of the last job, {jobs} jobs, {rounds} rounds turn by turn, the best of each. With Celery, each job is
a message too, and a pool of eight waits for the jobs."""


def measure(room: Room) -> Measured:
    jobs, rounds = (24, 1) if room.quick else (300, _ROUNDS)
    speeds: dict[str, list[float]] = {"database": [], "Celery": []}
    complete = True
    with cluster() as server, redis_server(room.scratch("redis")) as redis:
        urls = {"database": "database:", "Celery": f"{redis}/0"}
        for turn in range(rounds):
            for name, url in urls.items():
                settings = {"database_url": server.new_database(), "queue_url": url}
                with room.service(f"{name}{turn}", **settings) as service:
                    speeds[name].append(_speed(service, jobs))
                    complete &= counts(service)["completed"] == WARM_UP + jobs
                room.say(f"{name}: {speeds[name][-1]:.1f} jobs/s")
    celery, database = max(speeds["Celery"]), max(speeds["database"])
    return Measured(
        value=round(celery / database, 3),
        checks=(Check("every job was completed", complete),),
        details=Table(("queue", "jobs a second"), (("database", database), ("Celery on Redis", celery))),
        notes=(" ".join(_HOW.format(jobs=jobs, rounds=rounds).split()),),
        reason="each job is a message of Celery's as well, and a process that waits for its end",
    )


def _speed(service: Service, jobs: int) -> float:
    asyncio.run(submit(service, WARM_UP))
    wait_for(service, WARM_UP)
    began = time.monotonic()
    asyncio.run(submit(service, jobs))
    wait_for(service, WARM_UP + jobs)
    return jobs / (time.monotonic() - began)
