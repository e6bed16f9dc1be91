"""Celery's message for a job, as old clients and workers know it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from dictograph.errors import SettingsError
from dictograph.redis.connection import PATIENCE_S, celery_library

#: The name of the task, which is that of the older system: workers take what its API has left in the queue.
TASK = "audio_text_backend.action.tasks.process_audio"

#: The most messages that are sent in one go.
_TOGETHER = 100

#: kombu keeps messages of each priority in a list of its own: that of the highest has the queue's name, the others have
#: these behind it.
_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")


@dataclass(frozen=True, slots=True)
class Task:
    """The task of a job. `mode` is the model that the job names, "" for none."""

    job_id: str
    filename: str
    mode: str


@dataclass(frozen=True, slots=True)
class TaskRules:
    """How messages are written, and where they go. Limits are in seconds, 0 for none."""

    queue: str
    routing_key: str
    serializer: str
    timezone: str
    enable_utc: bool
    time_limit: float
    soft_time_limit: float


class TaskSender:
    """Puts messages on a queue in Redis, over one connection. For one thread at a time; nothing takes longer than a few
    seconds. The environment's `CELERY_…` variables have no say."""

    def __init__(self, url: str, rules: TaskRules) -> None:
        self._url = url
        self._rules = rules
        self._app: Any = None
        self._producer: Any = None

    def check(self) -> None:
        """Raise SettingsError when a library is missing."""
        celery_library()
        try:
            _kombu("serialization").dumps({}, serializer=self._rules.serializer)
        except _kombu("exceptions").SerializerNotInstalled as error:
            raise SettingsError(f"Celery's messages cannot be written: {error}") from error

    def send(self, tasks: Sequence[Task]) -> list[BaseException | None]:
        """Send messages, and return the error of each, None for one that Redis has. After the first error, which is one
        of the connection or of the server, the others get the same: it would be theirs too. Some of those that went
        with it may be there."""
        for first in range(0, len(tasks), _TOGETHER):
            try:
                self._send_together(tasks[first : first + _TOGETHER])
            except Exception as error:  # noqa: BLE001 - the client's errors are many; the caller names them
                self._disconnect()
                return [None] * first + [error] * (len(tasks) - first)
        return [None] * len(tasks)

    def close(self) -> None:
        """Close the connection."""
        self._disconnect()

    def _send_together(self, tasks: Sequence[Task]) -> None:
        """Send messages in one go: a server that is far away costs one round trip, not one for each."""
        producer = self._connected()
        self._declare(producer)
        together = producer.batch(_TOGETHER) if hasattr(producer, "batch") else contextlib.nullcontext()
        with together:
            for task in tasks:
                self._send(producer, task)

    def _send(self, producer: Any, task: Task) -> None:
        rules = self._rules
        self._app.send_task(
            TASK,
            args=(task.job_id, task.filename, task.mode),
            task_id=task.job_id,
            producer=producer,
            retry=False,  # the outbox does that
            time_limit=rules.time_limit or None,
            soft_time_limit=rules.soft_time_limit or None,
            **self._route(),
        )

    def _declare(self, producer: Any) -> None:
        """Declare the queue anew: what Redis knows of it is lost when somebody empties it, and kombu takes it for
        known."""
        producer.connection.declared_entities.clear()
        producer.channel.state.clear()
        producer.maybe_declare(self._app.amqp.queues[self._rules.queue])

    def _route(self) -> dict[str, Any]:
        """Return where a message goes: straight to the queue, unless its routing key is another one."""
        rules = self._rules
        if rules.routing_key == rules.queue:
            return {"queue": rules.queue}
        return {"queue": rules.queue, "exchange": rules.queue, "routing_key": rules.routing_key}

    def _connected(self) -> Any:
        if self._app is None:
            self._app = self._made()
        if self._producer is None:
            patience = {"socket_timeout": PATIENCE_S, "socket_connect_timeout": PATIENCE_S, "max_retries": 0}
            self._producer = self._app.amqp.Producer(_kombu().Connection(self._url, transport_options=patience))
        return self._producer

    def _made(self) -> Any:
        rules, kombu = self._rules, _kombu()
        app = celery_library().Celery("dictograph", set_as_current=False, backend="disabled://")
        app.conf.update(
            task_serializer=rules.serializer,
            timezone=rules.timezone,
            enable_utc=rules.enable_utc,
            task_queues=[kombu.Queue(rules.queue, kombu.Exchange(rules.queue), routing_key=rules.routing_key)],
        )
        return app

    def _disconnect(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(Exception):  # it may be broken
                producer.connection.release()


def _kombu(module: str = "") -> Any:
    return import_module(f"kombu.{module}" if module else "kombu")


def lists_of(queue: str) -> Sequence[str]:
    """Return the names of the lists in Redis that hold the messages of a queue."""
    return [queue + priority for priority in _PRIORITIES]
