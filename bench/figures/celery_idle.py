"""What an idle worker costs when its queue is on Redis, compared with the queue in the database."""

from __future__ import annotations

import time

import httpx

from bench.celery_tasks import redis_server
from bench.celery_worker import cpu_of_tree
from bench.figure import AT_MOST, Goal, Measured, Table
from bench.room import Room
from scripts.machine import free_port
from tests.service import Service, eventually

NAME = "celery_idle"
TITLE = "Processor time of an idle worker with Celery, over one with the database queue"
GOAL = Goal(AT_MOST, 1.0, "% of a core")

_SETTLE_S, _FOR_S = 20.0, 120.0

_HOW = """`dictograph worker` and all processes below it (with Celery, those of the Celery worker and its pool of eight
too), without any job, over {seconds:.0f} s, after {settle:.0f} s. Every setting is the default."""


def measure(room: Room) -> Measured:
    settle, seconds = (5.0, 5.0) if room.quick else (_SETTLE_S, _FOR_S)
    with redis_server(room.scratch("redis")) as url:
        database = _idle(room, "database", "database:", settle, seconds)
        celery = _idle(room, "celery", f"{url}/0", settle, seconds)
    room.say(f"database: {database * 100:.2f} %, Celery: {celery * 100:.2f} % of a core")
    return Measured(
        value=round((celery - database) * 100, 2),
        details=Table(("queue", "% of a core"), (("database", database * 100), ("Celery on Redis", celery * 100))),
        notes=(" ".join(_HOW.format(seconds=seconds, settle=settle).split()),),
        reason="Celery's loop wakes once a second for Redis, and more often for its own timers",
    )


def _idle(room: Room, name: str, url: str, settle: float, seconds: float) -> float:
    listen = f"127.0.0.1:{free_port()}"
    settings = {"queue_url": url, "worker_listen": listen, "poll_interval": "2s"}
    worker = Service(room.scratch(name), "worker", name="worker", **settings)
    try:
        worker.start()
        worker.base = f"http://{listen}"
        eventually(lambda: _is_ready(worker), 180, f"the worker does not begin: {worker.log}")
        if url != "database:":
            eventually(lambda: " ready." in worker.words_of_log(), 120, f"Celery does not begin: {worker.log}")
        time.sleep(settle)
        assert worker.process is not None
        return cpu_of_tree(worker.process.pid, seconds)
    finally:
        if worker.running:
            worker.stop()


def _is_ready(worker: Service) -> bool:
    try:
        return worker.get("/ready").status_code == 200
    except httpx.TransportError:
        return False
