"""Short jobs on PostgreSQL, the queue on Redis with Celery, compared with the queue in the database."""

from __future__ import annotations

from bench.celery_tasks import redis_server
from bench.figure import AT_LEAST, Goal, Measured
from bench.queue_contest import contest
from bench.room import Room

NAME = "celery_queue"
TITLE = "Jobs per second with an engine that does nothing, PostgreSQL: Celery queue ÷ database queue"
GOAL = Goal(AT_LEAST, 0.8)


def measure(room: Room) -> Measured:
    with redis_server(room.scratch("redis")) as url:
        return contest(
            room,
            "Celery",
            f"{url}/0",
            "each job is a message of Celery's as well, and a process that waits for its end",
        )
