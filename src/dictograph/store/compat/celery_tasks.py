"""The jobs that Celery is told of: those that were just created, or are to run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, select

from dictograph.store.tables import event, job

#: The events after which a job has no task in Celery. After all others its task still waits, or replaces itself.
_BEGINNINGS = ("created", "retried")


@dataclass(frozen=True, slots=True)
class OwedTask:
    """What Celery's message says of a job: `mode` is the model that it names, "" for none."""

    job_id: str
    filename: str
    mode: str


def owed_tasks(conn: Connection, messages: Mapping[str, str]) -> dict[str, OwedTask]:
    """Return the tasks that wake-ups stand for, by the id of the wake-up; `messages` are ids with those of their jobs.

    The id of a wake-up ends with the number of the event that it follows. A job that is gone has no task any more.
    """
    query = (
        select(job.c.id, job.c.filename, job.c.options, event.c.seq)
        .join(event, event.c.job_id == job.c.id)
        .where(job.c.id.in_(set(messages.values())), event.c.type.in_(_BEGINNINGS))
    )
    begun = {(row.id, row.seq): OwedTask(row.id, row.filename, _mode(row.options)) for row in conn.execute(query)}
    found = {id: begun.get((job_id, _seq(id))) for id, job_id in messages.items()}
    return {id: task for id, task in found.items() if task is not None}


def _seq(message_id: str) -> int:
    number = message_id.rpartition(":")[2]
    return int(number) if number.isdecimal() else 0


def _mode(options: Mapping[str, object]) -> str:
    model = options.get("model")
    return model if isinstance(model, str) else ""
