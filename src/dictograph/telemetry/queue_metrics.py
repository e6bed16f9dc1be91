"""The metrics of the queue: how many jobs wait and run, how long the oldest waits, what lies in the broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy import Connection

from dictograph.errors import DatabaseUnavailable
from dictograph.job import JobStatus
from dictograph.store.database import Database
from dictograph.store.jobs.read import live_counts, oldest_wait


class QueueMetrics:
    """Reads the figures when they are asked for. Without the database there are those of the broker alone."""

    def __init__(
        self, database: Database, messages: Callable[[], int | None], lag: Callable[[], Mapping[str, int]]
    ) -> None:
        """`messages` is the number of Celery's messages in Redis, None where that is not known; `lag` that of messages
        which nobody has handled yet, by topic and partition."""
        self._database = database
        self._messages = messages
        self._lag = lag

    async def exposition(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        registry = CollectorRegistry()
        try:
            counts, oldest = await self._database.read(_figures)
        except DatabaseUnavailable:
            pass
        else:
            _gauge(registry, "jobs_waiting", "Jobs that wait.", counts[JobStatus.PENDING])
            _gauge(registry, "jobs_running", "Jobs that are being run.", counts[JobStatus.PROCESSING])
            _gauge(registry, "oldest_wait_seconds", "How long the job has waited that waits longest.", oldest)
        if (messages := self._messages()) is not None:
            _gauge(registry, "celery_messages", "Celery's messages in Redis.", messages)
        if lag := self._lag():
            gauge = Gauge(
                "dictograph_partition_lag", "Messages that nobody has handled yet.", ["partition"], registry=registry
            )
            for partition, count in lag.items():
                gauge.labels(partition).set(count)
        return generate_latest(registry)


def _figures(conn: Connection) -> tuple[Mapping[JobStatus, int], float]:
    return live_counts(conn), oldest_wait(conn, None)


def _gauge(registry: CollectorRegistry, name: str, what: str, value: float) -> None:
    Gauge(f"dictograph_{name}", what, registry=registry).set(value)
