"""How soon a worker in another process begins a job when Kafka wakes it, compared with PostgreSQL's NOTIFY."""

from __future__ import annotations

import time
from datetime import datetime
from statistics import quantiles

import psycopg

from bench.contest import completed
from bench.figure import AT_MOST, Check, Goal, Measured, Table
from bench.room import Room
from tests.audio_files import write_noise
from tests.kafka import broker
from tests.postgres import Cluster, cluster
from tests.service import Service

NAME = "kafka_claim"
TITLE = "Upload to claim through Kafka, API and worker two idle processes on PostgreSQL: p50"
GOAL = Goal(AT_MOST, 50, "ms")

_MOST_P99_MS = 250
_COUNT = 100

#: PostgreSQL finds this function before its own, so that nobody is notified.
_SILENCE = (
    "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'",
    "ALTER DATABASE {name} SET search_path = public, pg_catalog",
)

_HOW = """One upload of a second of sound after the other, {count} in all, each when the last one has ended and nothing
runs; from the beginning of the request to the job's `started_at`. The poll interval is 60 s, so that only a
wake-up can be so quick. With Kafka NOTIFY is switched off."""


def measure(room: Room) -> Measured:
    count = 5 if room.quick else _COUNT
    with cluster() as server, broker() as kafka:
        database = _latencies(room, "database", server, count, "database:")
        through = _latencies(room, "kafka", server, count, f"kafka://{kafka.servers}")
    rows = {name: _percentiles(found) for name, found in (("database, NOTIFY", database), ("Kafka", through))}
    p50, p99 = rows["Kafka"]
    room.say(f"{rows}")
    return Measured(
        value=round(p50, 1),
        checks=(Check(f"p99 {p99:.0f} ms, at most {_MOST_P99_MS} ms", p99 <= _MOST_P99_MS),),
        details=Table(("queue", "p50, ms", "p99, ms"), tuple((name, *found) for name, found in rows.items())),
        notes=(" ".join(_HOW.format(count=count).split()),),
        reason="the upload itself reaches the disk first: the row of the database queue has the same part",
    )


def _latencies(room: Room, name: str, server: Cluster, count: int, queue: str) -> list[float]:
    """Return milliseconds."""
    url = server.new_database()
    settings = {"database_url": url, "queue_url": queue, "poll_interval": "60s"}
    api = Service(room.scratch(name), "api", name="api", **settings)
    worker = api.beside("worker", "worker")
    try:
        api.start().wait_until_up()
        if queue != "database:":
            with psycopg.connect(url, autocommit=True) as conn:
                for statement in _SILENCE:
                    conn.execute(statement.format(name=url.rpartition("/")[2]))
            api.stop()
            api.start().wait_until_up()
        worker.start()
        api.wait_until_ready()
        return [_one(room, api) for _ in range(count + 3)][3:]
    finally:
        for one in (worker, api):
            if one.running:
                one.stop()


def _one(room: Room, api: Service) -> float:
    audio = write_noise(room.folder / "note.wav", 1, seed=1)
    began = time.time()
    job = api.submit(audio)
    started = datetime.fromisoformat(completed(api, job, 0.05)["started_at"])
    time.sleep(0.2)
    return (started.timestamp() - began) * 1000


def _percentiles(found: list[float]) -> tuple[float, float]:
    cuts = quantiles(found, n=100, method="inclusive")
    return cuts[49], cuts[98]
