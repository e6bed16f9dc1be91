"""Compares queues: the same jobs with the queue in the database and with one elsewhere, turn by turn."""

from __future__ import annotations

import asyncio
import time

from bench.figure import Check, Measured, Table
from bench.figures.jobs_per_second import WARM_UP, counts, submit, wait_for
from bench.room import Room
from tests.postgres import cluster
from tests.service import Service

_DATABASE = "database"
_JOBS, _ROUNDS = 300, 3

_HOW = """One `dictograph serve` on PostgreSQL; a job is a second of WAV, uploaded by one of eight clients at once; from
the first upload to the end of the last of {jobs} jobs. {rounds} rounds, turn by turn, the best of each."""


def contest(room: Room, name: str, url: str, reason: str) -> Measured:
    """Return the jobs per second with the queue at `url` divided by those with the queue in the database.

    `name` says whose queue it is, `reason` why it may be slower.
    """
    jobs, rounds = (24, 1) if room.quick else (_JOBS, _ROUNDS)
    urls = {_DATABASE: "database:", name: url}
    speeds: dict[str, list[float]] = {one: [] for one in urls}
    complete = True
    with cluster() as server:
        for turn in range(rounds):
            for one, where in urls.items():
                settings = {"database_url": server.new_database(), "queue_url": where}
                with room.service(f"{one}{turn}", **settings) as service:
                    speeds[one].append(_speed(service, jobs))
                    complete &= counts(service)["completed"] == WARM_UP + jobs
                room.say(f"{one}: {speeds[one][-1]:.1f} jobs/s")
    best = {one: max(found) for one, found in speeds.items()}
    return Measured(
        value=round(best[name] / best[_DATABASE], 3),
        checks=(Check("every job was completed", complete),),
        details=Table(("queue", "jobs a second"), tuple(best.items())),
        notes=(" ".join(_HOW.format(jobs=jobs, rounds=rounds).split()),),
        reason=reason,
    )


def _speed(service: Service, jobs: int) -> float:
    asyncio.run(submit(service, WARM_UP))
    wait_for(service, WARM_UP)
    began = time.monotonic()
    asyncio.run(submit(service, jobs))
    wait_for(service, WARM_UP + jobs)
    return jobs / (time.monotonic() - began)
