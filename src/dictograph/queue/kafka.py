"""Wake-ups through Kafka: a topic that all workers of one database read, without a group. Nothing in it is worth more
than the poll interval."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from dictograph.broker import MessageProducer, Outgoing
from dictograph.errors import BrokerUnavailable, PublishError
from dictograph.kafka.broadcast import Listener
from dictograph.kafka.connection import Connection
from dictograph.queue.database import DatabaseQueue
from dictograph.store.database import Database


class KafkaQueue:
    """Wakes the workers of all processes. Those of this process, and those that the database can wake, do not wait for
    the broker."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        producer: MessageProducer,
        topic: Callable[[], Awaitable[str]],
    ) -> None:
        """`topic` gives the name of the topic."""
        self._near = DatabaseQueue(database)
        self._connection = connection
        self._producer = producer
        self._topic = topic
        self._listener: Listener | None = None

    async def send(self, message_id: str, payload: dict[str, Any]) -> None:
        await self._near.send(message_id, payload)
        message = Outgoing(await self._topic(), None, message_id.encode())
        (sent,) = await self._producer.send([message])
        if sent.error is not None:
            raise (PublishError if sent.fatal else BrokerUnavailable)(sent.error)

    async def heard(self, timeout: float) -> None:
        if self._listener is None:
            loop = asyncio.get_running_loop()
            self._listener = Listener(self._connection, lambda: _call(loop, self._near.wake))
            self._listener.start(await self._topic())
        await self._near.heard(timeout)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._near.close()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function)
