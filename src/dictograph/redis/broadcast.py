"""Messages to everybody who listens to a channel at the moment: nothing is kept, and nobody is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dictograph.redis import reasons
from dictograph.redis.connection import client, library
from dictograph.runtime.daemon_thread import in_daemon_thread

log = logging.getLogger(__name__)

#: The seconds after which a listener whose connection broke connects again.
_AGAIN_S = 1.0

#: How long a listener waits for a message, in seconds, until it looks whether it is closed.
_LOOK_S = 2.0

#: How many of these waits without a message are followed by a question to the server whether it lives: one that hangs
#: keeps its connections.
_QUIET = 8


class Broadcast:
    """Publishes to channels, over one connection and in one thread at a time."""

    def __init__(self, url: str) -> None:
        self._client = client(url)
        self._publishing: asyncio.Task[None] | None = None

    async def publish(self, channel: str, messages: Sequence[str | bytes]) -> None:
        """Publish messages, in their order. Raises the client's errors: then some of them may have been published; and
        TimeoutError while an earlier call, whose caller has given up, still runs."""
        if self._publishing is not None and not self._publishing.done():
            raise TimeoutError("it does not answer in time")
        self._publishing = asyncio.create_task(in_daemon_thread(self._publish, channel, messages))
        self._publishing.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.shield(self._publishing)

    async def close(self) -> None:
        """Close the connection, unless it is in use."""
        if self._publishing is None or self._publishing.done():
            with contextlib.suppress(Exception):  # the server may be away
                self._client.close()

    def _publish(self, channel: str, messages: Sequence[str | bytes]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for message in messages:
            pipeline.publish(channel, message)
        pipeline.execute()


class Listener:
    """Calls `heard` for every message on a channel, and when it has connected: something may have been missed. It has a
    thread of its own."""

    def __init__(self, url: str, channel: str, heard: Callable[[], None]) -> None:
        self._url = url
        self._channel = channel
        self._heard = heard
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to listen. A server that is away is waited for."""
        threading.Thread(target=self._main, daemon=True, name="dictograph-redis-listener").start()

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()

    def _main(self) -> None:
        errors = (library().RedisError, OSError)
        while not self._closed.is_set():
            connection = client(self._url)
            try:
                self._listen(connection)
            except errors as error:
                log.debug("%s: %s", self._channel, reasons.of(error))
                self._closed.wait(_AGAIN_S)
            finally:
                with contextlib.suppress(Exception):
                    connection.close()

    def _listen(self, connection: Any) -> None:
        with connection.pubsub() as subscription:
            subscription.subscribe(self._channel)
            quiet = 0
            while not self._closed.is_set():
                message = subscription.get_message(timeout=_LOOK_S)
                quiet = 0 if message is not None else quiet + 1
                if quiet == _QUIET:
                    subscription.ping()
                elif quiet > _QUIET:
                    raise TimeoutError("it does not answer in time")
                elif message is not None and message["type"] != "pong":
                    self._heard()
