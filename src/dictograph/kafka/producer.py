"""Send many messages at once, and give the broker's word on each."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from dictograph.broker import Outgoing, Sent
from dictograph.kafka import reasons
from dictograph.kafka.connection import Connection, client, library
from dictograph.kafka.reachability import Reachability
from dictograph.runtime.daemon_thread import in_daemon_thread

log = logging.getLogger(__name__)

#: The seconds after which a message that no broker has acknowledged counts as not sent.
DELIVERY_S = 15.0

#: What may pass until the client has told it.
_MARGIN_S = 5.0

#: What librdkafka adds to a message, at most, when it counts its size.
_OVERHEAD = 1024


@dataclass(frozen=True, slots=True)
class Batching:
    """How messages are put together: bytes, milliseconds, and librdkafka's name of a compression."""

    bytes: int = 1_000_000
    linger_ms: float = 5
    compression: str = "none"


class Producer:
    """An idempotent producer, with `acks=all`, and a thread that hears the broker. Implements `MessageProducer`.

    The client is made for the first message. After a fatal error another one is made.
    """

    def __init__(
        self, connection: Connection, max_message: int, batching: Batching = Batching(), delivery_s: float = DELIVERY_S
    ) -> None:
        self._settings = {
            **connection.settings(),
            "enable.idempotence": True,
            "acks": "all",
            "message.max.bytes": max_message + _OVERHEAD,
            "delivery.timeout.ms": int(delivery_s * 1000),
            "topic.metadata.propagation.max.ms": 5000,
            "batch.size": batching.bytes,
            "linger.ms": batching.linger_ms,
            "compression.type": batching.compression,
        }
        self._delivery_s = delivery_s
        self.max_bytes = max_message
        self.reachability = Reachability(log, connection.servers, f"Kafka Producer connected to {connection.servers}")
        self._client: Any = None
        self._making = asyncio.Lock()
        self._broken = False
        self._closed = threading.Event()

    @property
    def deliver_timeout(self) -> float:
        return self._delivery_s + _MARGIN_S

    def limit(self, max_bytes: int) -> None:
        """Learn that the broker takes only so many bytes."""
        self.max_bytes = min(self.max_bytes, max_bytes)

    async def connect(self) -> None:
        """Make the client, so that it looks for its broker before there is a message. Raises SettingsError."""
        async with self._making:
            if self._client is None or self._broken:
                old, self._broken = self._client, False
                self._client = await in_daemon_thread(self._made, old)

    async def send(self, messages: Sequence[Outgoing]) -> Sequence[Sent]:
        await self.connect()
        batch = _Batch(len(messages))
        for index, message in enumerate(messages):
            self._produce(message, partial(self._delivered, batch, index))
        return await batch.results(self.deliver_timeout)

    async def close(self) -> None:
        """End the thread. What is not acknowledged by now may arrive or not."""
        self._closed.set()

    def _produce(self, message: Outgoing, told: Any) -> None:
        try:
            self._client.produce(
                message.topic,
                value=message.value,
                key=message.key,
                headers=list(message.headers) or None,
                on_delivery=told,
            )
        except BufferError as error:
            told(Sent(f"too many messages wait for the broker ({error})"), None)
        except library().KafkaException as error:
            told(self._failed(error.args[0]), None)

    def _delivered(self, batch: _Batch, index: int, error: Any, message: Any) -> None:
        del message
        batch.put(index, error if isinstance(error, Sent) else self._failed(error) if error else Sent())

    def _failed(self, error: Any) -> Sent:
        if error.fatal():
            self._broken = True
        return Sent(reasons.in_words(error), error.name() in reasons.NEVER)

    def _made(self, old: Any) -> Any:
        """Make a client in place of one with a fatal error, whose messages then have an error."""
        if old is not None:
            log.warning("a new producer is made after a fatal error")
            old.purge()
            old.poll(0)
        made = client("Producer", {**self._settings, **self.reachability.settings(), "error_cb": self._error})
        threading.Thread(target=self._hear, args=(made,), daemon=True, name="dictograph-kafka-producer").start()
        return made

    def _error(self, error: Any) -> None:
        if error.fatal():
            self._broken = True
        self.reachability.failed(error)

    def _hear(self, client: Any) -> None:
        """Serve the client's callbacks until it is replaced."""
        while not self._closed.is_set():
            client.poll(1.0)
            if self._client is not client and self._client is not None and not len(client):
                return


class _Batch:
    """The results of one call, given by the client's thread."""

    def __init__(self, size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: list[Sent | None] = [None] * size
        self._open = size
        self._lock = threading.Lock()
        self._all = self._loop.create_future()
        if not size:
            self._all.set_result(None)

    def put(self, index: int, result: Sent) -> None:
        with self._lock:
            self._results[index] = result
            self._open -= 1
            complete = not self._open
        if complete and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._complete)

    def _complete(self) -> None:
        if not self._all.done():
            self._all.set_result(None)

    async def results(self, timeout: float) -> list[Sent]:
        """Wait for all results. What has none after `timeout` seconds has an error."""
        await asyncio.wait([self._all], timeout=timeout)
        return [one or Sent("no broker has acknowledged the message in time") for one in self._results]
