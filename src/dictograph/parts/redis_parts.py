"""The parts of a process whose queue is on Redis: Celery's messages, the wake-ups, and whether Redis is there."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from dictograph.queue.celery_tasks import TaskRules, TaskSender, lists_of
from dictograph.queue.redis import RedisQueue
from dictograph.redis import reasons
from dictograph.redis.broadcast import Broadcast
from dictograph.redis.watch import Watch
from dictograph.runtime.crash import CrashPoints
from dictograph.service.status import QueueState
from dictograph.settings.model import Settings
from dictograph.store import outbox
from dictograph.store.database import Database
from dictograph.store.storage_marks import STORAGE, mark_of
from dictograph.worker.agent import TRANSIENT_ERRORS, Agent
from dictograph.worker.relays.outlets import Steps, WakeUps
from dictograph.worker.relays.relay import Relay
from dictograph.worker.relays.updates import Updates

log = logging.getLogger(__name__)


class RedisParts:
    """What a process has of Redis. Nothing connects before its agents run. Raises SettingsError when a library is
    missing."""

    def __init__(self, settings: Settings, database: Database, crash: CrashPoints) -> None:
        self._settings = settings
        self._database = database
        self._crash = crash
        self._broadcast = Broadcast(settings.redis_url)
        self._tasks = TaskSender(settings.redis_url, rules_of(settings))
        self._tasks.check()
        self.watch = Watch(settings.redis_url, lists_of(settings.celery_queue), self._back)
        self.queue = RedisQueue(database, settings.redis_url, self._tasks, self._wake_channel, self.watch.doubt)

    def agents(self) -> list[Agent]:
        """Return the agents of every process."""
        return [self.watch, *([self._updates()] if self._settings.redis_channel else ())]

    def state(self) -> QueueState:
        """Return what is known of the queue."""
        seen = self.watch.state
        return QueueState("redis", self.watch.trouble or "", None if seen is None else seen.length)

    def wake_ups(self) -> WakeUps:
        """Return the outlet for wake-ups. What cannot be sent is sent again by Celery's policy for publishing, and at
        once when Redis is back."""
        s = self._settings
        policy = Steps(
            s.celery_publish_max_retries,
            s.celery_publish_interval_start,
            s.celery_publish_interval_step,
            s.celery_publish_interval_max,
        )
        return WakeUps(self.queue, policy)

    async def close(self) -> None:
        self._tasks.close()
        await self._broadcast.close()

    def _updates(self) -> Relay:
        """Return the relay of the channel of changes."""

        async def publish(updates: Sequence[str]) -> None:
            await self._broadcast.publish(self._settings.redis_channel, updates)

        outlet = Updates(self._database, publish, reasons.of, lambda: self.watch.away)
        return Relay(self._database, outlet, self._crash, self._settings.poll_interval)

    async def _back(self) -> None:
        try:
            await self._database.write(lambda conn: outbox.hurry(conn, outbox.DISPATCH))
        except TRANSIENT_ERRORS as error:
            log.warning("messages for Celery wait a little longer: %s", error)

    async def _wake_channel(self) -> str:
        mark = await self._database.read(lambda conn: mark_of(conn, STORAGE))
        return f"dictograph-wake-{mark.identity}"


def rules_of(settings: Settings) -> TaskRules:
    """Return how Celery's messages are written."""
    return TaskRules(
        settings.celery_queue,
        settings.celery_routing_key,
        settings.celery_serializer,
        settings.celery_timezone,
        settings.celery_enable_utc,
        settings.celery_time_limit,
        settings.celery_soft_time_limit,
    )
