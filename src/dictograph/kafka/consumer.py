"""Receive the messages of a group's topics: a thread of its own polls and never stops, whatever else waits."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future

from dictograph.broker import MessageReceiver, Partition
from dictograph.kafka.connection import Connection
from dictograph.kafka.membership import Membership, NewClient
from dictograph.kafka.offsets import Ledger
from dictograph.kafka.reachability import Reachability
from dictograph.kafka.subscription import Subscription
from dictograph.runtime.crash import CrashPoints

log = logging.getLogger(__name__)

#: The seconds between the end of a client and the next one.
_AGAIN_S = 1.0

#: The seconds in which a consumer leaves its group, beyond what its receiver takes.
_LEAVE_S = 10.0


class Consumer:
    """A consumer of a group. Implements `MessageConsumer`; its agent's name is `kafka`."""

    name = "kafka"

    def __init__(
        self, connection: Connection, subscription: Subscription, receiver: MessageReceiver, crash: CrashPoints
    ) -> None:
        self._connection = connection
        self._subscription = subscription
        self._receiver = receiver
        self._crash = crash
        self._ledger = Ledger()
        self._stopping = threading.Event()
        topics = ", ".join(subscription.topics)
        self._reachability = Reachability(log, connection.servers, f"Kafka Consumer connected to topic: {topics}")
        self._membership: Membership | None = None

    def done(self, topic: str, partition: int, offset: int) -> None:
        self._ledger.done(Partition(topic, partition), offset)

    def uncount(self, topic: str, partition: int, offset: int) -> None:
        self._ledger.uncount(Partition(topic, partition), offset)

    @property
    def joined(self) -> bool:
        membership = self._membership
        return membership is not None and membership.joined and self._reachability.up

    @property
    def trouble(self) -> str | None:
        membership = self._membership
        return (membership and membership.trouble) or self._reachability.trouble

    def lag(self) -> dict[Partition, int]:
        membership = self._membership
        return {} if membership is None else membership.lag()

    async def run(self) -> None:
        ended: Future[None] = Future()
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._main, args=(loop, ended), daemon=True, name="dictograph-kafka-consumer")
        self._stopping.clear()
        thread.start()
        end = asyncio.wrap_future(ended)
        try:
            await asyncio.shield(end)
        finally:
            self._stopping.set()
            await asyncio.wait([end], timeout=self._subscription.max_poll_s + _LEAVE_S)

    def _main(self, loop: asyncio.AbstractEventLoop, ended: Future[None]) -> None:
        """One client after the other, until the consumer is stopped or its receiver fails."""
        try:
            while not self._stopping.is_set():
                self._one_client(loop)
        except BaseException as error:  # noqa: BLE001 - handed to the agent, which ends with it
            ended.set_exception(error)
        else:
            ended.set_result(None)

    def _one_client(self, loop: asyncio.AbstractEventLoop) -> None:
        self._membership = membership = Membership(
            {**self._connection.settings(), **self._subscription.settings()},
            self._subscription, self._receiver, self._ledger, self._reachability, self._crash, loop,
        )  # fmt: skip
        try:
            membership.poll_until(self._stopping)
        except NewClient as error:
            log.warning("a new consumer is made: %s", error)
            membership.close()
            self._stopping.wait(_AGAIN_S)
        else:
            membership.close()
