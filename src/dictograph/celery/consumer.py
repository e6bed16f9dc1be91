"""Celery's consumer of messages. Where Celery would try to mend itself, the process ends and is started anew.

Celery 5.7 with kombu 5.7 dies of an AttributeError when Redis is gone for a few seconds while a task runs, and lingers
until all its tasks have ended; 5.6 connects again and starts nothing beside what runs.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from celery.utils.log import get_logger
from celery.worker import state
from celery.worker.consumer import Consumer as CeleryConsumer

from dictograph.celery.beats import BEAT_S, beat, held_before
from dictograph.errors import DictographError
from dictograph.redis import reasons
from dictograph.redis.connection import PATIENCE_S, library, place_of
from dictograph.runtime.outage_log import OutageLog
from dictograph.store.backends.dialects import is_there
from dictograph.store.migrate import current, head

log = get_logger(__name__)

#: The exit code of a worker that is to be started anew (EX_TEMPFAIL of sysexits.h), and the pause between two attempts
#: to reach Redis or the database, in seconds.
START_ANEW, _AGAIN_S = 75, 1.0

_NOT_PREPARED = "The database is not prepared yet: the process that runs the jobs does so, or `dictograph db upgrade`."


class Consumer(CeleryConsumer):  # type: ignore[misc] # Celery ships no types
    """Takes messages as Celery does; its process ends when the broker is lost, and at any error."""

    def start(self) -> None:
        """Take messages, once the database is prepared."""
        self._until_prepared()
        try:
            super().start()
        except Exception as error:
            log.critical("the Celery worker is started anew: %s", error, exc_info=error)
            _leave()

    def on_ready(self) -> None:
        """Begin to beat: from now on this process hears the queue."""
        super().on_ready()
        self._put_back(held_before())
        self.beat()
        self.timer.call_repeatedly(BEAT_S, self.beat)

    def create_task_handler(self, **options: Any) -> Callable[[Any], None]:
        """Return what takes a message. One that Celery cannot take is removed: it would end each worker in turn."""
        take = super().create_task_handler(**options)

        def take_or_remove(message: Any) -> None:
            try:
                take(message)
            except (*self.connection_errors, *self.channel_errors):
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the message is the reason
                log.error("a message could not be taken, and was removed: %s: %s", type(error).__name__, error)
                if not message.acknowledged:
                    message.reject()

        return take_or_remove

    def beat(self) -> None:
        """Say that this process lives, and which messages it holds."""
        beat(self.task_consumer.channel.qos.held() if self.task_consumer else ())

    def on_connection_error_before_connected(self, exc: BaseException) -> None:
        """End the process."""
        self.on_connection_error_after_connected(exc)

    def on_connection_error_after_connected(self, exc: BaseException) -> None:
        """End the process. Tasks that wait store nothing; their messages are delivered again."""
        log.error("Redis is lost (%s): the Celery worker is started anew", reasons.of(exc))
        _leave()

    def ensure_connected(self, conn: Any) -> Any:
        """Return the connection once Redis answers; it is tried every second."""
        url = self.app.settings.redis_url
        outages = OutageLog(logging.getLogger(__name__), f"Redis at {place_of(url)} cannot be used")
        while True:
            try:
                _ask(url)  # kombu would wait for longer than this process may be silent
                conn.connect()
            except (*conn.connection_errors, *conn.channel_errors) as error:
                outages.failed(ConnectionError(reasons.of(error)))
                self._pause()
            else:
                outages.recovered()
                return conn

    def _put_back(self, tags: Sequence[str]) -> None:
        """Put messages back that a dead predecessor held. Those that were acknowledged since are no longer there."""
        for tag in tags:
            self.task_consumer.channel.qos.restore_by_tag(tag)

    def _until_prepared(self) -> None:
        url = self.app.settings.database
        outages = OutageLog(logging.getLogger(__name__), "Celery worker")
        while True:
            try:
                if is_there(url) and current(url) == head():
                    outages.recovered()
                    return
                outages.failed(RuntimeError(_NOT_PREPARED))
            except DictographError as error:
                outages.failed(error)
            self._pause()

    def _pause(self) -> None:
        """Wait for the next attempt. The process lives, and ends when it is told to."""
        beat()
        state.maybe_shutdown()
        time.sleep(_AGAIN_S)
        state.maybe_shutdown()


def _ask(url: str) -> None:
    with library().Redis.from_url(url, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S) as server:
        server.ping()


def _leave() -> NoReturn:
    """End this process at once. The kernel ends those of the pool with it: none of them has time to store anything."""
    logging.shutdown()
    os._exit(START_ANEW)
