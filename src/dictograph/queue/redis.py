"""The queue on Redis: Celery's message for each job, and a channel that wakes workers. Neither is worth anything: the
truth is the row, and both may be lost, doubled or late."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dictograph.errors import BrokerUnavailable
from dictograph.queue.celery_tasks import Task, TaskSender
from dictograph.queue.database import DatabaseQueue
from dictograph.redis import reasons
from dictograph.redis.broadcast import Broadcast, Listener
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.store.compat.celery_tasks import owed_tasks
from dictograph.store.database import Database


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A wake-up to send, and who waits for the word on it."""

    message_id: str
    job_id: str
    sent: asyncio.Future[None]


class RedisQueue:
    """Wakes the workers of all processes, and tells Celery of new jobs. The workers of this process, and those that the
    database can wake, do not wait for Redis.

    What is sent at the same time goes out together: one query, one thread, one connection.
    """

    def __init__(
        self,
        database: Database,
        url: str,
        tasks: TaskSender,
        channel: Callable[[], Awaitable[str]],
        failed: Callable[[], None],
    ) -> None:
        """`channel` gives the name of the channel that wakes workers. `failed` is called when a message could not be
        sent."""
        self._failed = failed
        self._near = DatabaseQueue(database)
        self._database = database
        self._url = url
        self._tasks = tasks
        self._channel = channel
        self._broadcast = Broadcast(url)
        self._listener: Listener | None = None
        self._waiting: list[_Waiting] = []
        self._sending: asyncio.Task[None] | None = None

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:
        await self._near.send(message_id, payload)
        waiting = _Waiting(message_id, str(payload["job_id"]), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_waiting(), name="celery messages")
        try:
            await waiting.sent
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiting)
            raise

    async def heard(self, timeout: float) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = Listener(self._url, await self._channel(), lambda: _call(loop, self._near.wake))
            self._listener.start()
        await self._near.heard(timeout)

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        await self._broadcast.close()
        await self._near.close()

    async def _send_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                outcomes = await self._send_all(batch)
            except Exception as error:  # noqa: BLE001 - whoever waits hears of it, and sends again later
                outcomes = {one.message_id: error for one in batch}
            for one in batch:
                _settle(one.sent, outcomes.get(one.message_id))

    async def _send_all(self, batch: Sequence[_Waiting]) -> dict[str, BaseException]:
        """Send wake-ups, and return the errors of those whose task Redis does not have."""
        tasks = await self._owed({one.message_id: one.job_id for one in batch if not one.sent.done()})
        _, errors = await asyncio.gather(self._wake(), in_daemon_thread(self._tasks.send, list(tasks.values())))
        failed = {id: error for id, error in zip(tasks, errors, strict=True) if error is not None}
        if failed:
            self._failed()
        return {id: BrokerUnavailable(f"Redis: {reasons.of(error)}") for id, error in failed.items()}

    async def _owed(self, messages: dict[str, str]) -> dict[str, Task]:
        found = await self._database.read(lambda conn: owed_tasks(conn, messages))
        return {id: Task(one.job_id, one.filename, one.mode) for id, one in found.items()}

    async def _wake(self) -> None:
        with contextlib.suppress(Exception):  # a wake-up that is lost delays a job by the poll interval
            await self._broadcast.publish(await self._channel(), [b""])


def _settle(sent: asyncio.Future[None], error: BaseException | None) -> None:
    if sent.done():  # nobody waits any more
        return
    if error is None:
        sent.set_result(None)
    else:
        sent.set_exception(error)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop was closed: there is nobody left to wake
        loop.call_soon_threadsafe(function)
