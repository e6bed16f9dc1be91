"""The ways out of the outbox: to whom the messages of a destination are given, all of a batch at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from dictograph.broker import MessageProducer, Sent
from dictograph.broker.envelope import as_payload, from_payload
from dictograph.errors import PublishError
from dictograph.job import backoff_seconds
from dictograph.queue import Queue
from dictograph.store.outbox import ANNOUNCE, BROKER, DISPATCH, Message
from dictograph.stt.answers import smaller

#: The longest wait before a message that could not be sent is sent again, in seconds.
RESEND_CAP_S = 60.0

#: The same for answers: senders wait for them, and a broker that is back is to be found soon.
_ANSWER_CAP_S = 5.0

_RETRY_BASE_S = 0.5

#: How much longer than the producer's own time-out a message is held, in seconds.
_SLACK_S = 10.0

#: How long a wake-up may take. A wake-up that is late is worth nothing: workers poll.
_WAKE_S = 10.0


class Backoff:
    """Delays that grow exponentially, up to `cap` seconds, with chance in them."""

    def __init__(self, cap: float) -> None:
        self._cap = cap
        self._chance = random.Random()

    def __call__(self, failures: int) -> float:
        return backoff_seconds(failures, _RETRY_BASE_S, self._cap, self._chance)


@dataclass(frozen=True, slots=True)
class Steps:
    """Delays as Celery's policy for publishing has them, in seconds: the first is `start`, each further one is `step`
    longer, none is longer than `most`. After `retries` of them all are `most`: nothing is given up."""

    retries: int
    start: float
    step: float
    most: float

    def __call__(self, failures: int) -> float:
        if failures > self.retries:
            return max(self.most, _RETRY_BASE_S)
        return min(self.start + (failures - 1) * self.step, self.most)


class Outlet(Protocol):
    """Sends the messages of one destination.

    `hold` is how long nobody else may send a message that was taken for sending, in seconds. With `expires` (in
    seconds, else 0) a message is sent at most once, and not when it is older than that.
    """

    destination: str
    hold: float
    expires: float

    def delay(self, failures: int, /) -> float:
        """Return the seconds after which a message is sent again that could not be sent this number of times."""
        ...

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        """Send messages, and return the word on each, in their order. Takes less than `hold` seconds."""
        ...

    def smaller(self, message: Message) -> dict[str, Any] | None:
        """Return the payload of a smaller message in place of one that can never be sent; None when there is none."""
        ...


class _OnTopics:
    """Puts messages on the topics that they name."""

    expires = 0.0

    def __init__(self, producer: MessageProducer, cap: float = RESEND_CAP_S) -> None:
        self._producer = producer
        self.delay = Backoff(cap)
        self.hold = 1.5 * producer.deliver_timeout + _SLACK_S

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        return await self._producer.send([from_payload(message.payload) for message in messages])

    def smaller(self, message: Message) -> dict[str, Any] | None:  # noqa: ARG002 - there is nothing to leave out
        return None


class Announcements(_OnTopics):
    """Tells of uploads through the gateway."""

    destination = ANNOUNCE


class Answers(_OnTopics):
    """Gives the answers of jobs, and dead letters. One that is too large for its topic is made smaller."""

    destination = BROKER

    def __init__(self, producer: MessageProducer) -> None:
        super().__init__(producer, _ANSWER_CAP_S)

    def smaller(self, message: Message) -> dict[str, Any] | None:
        outgoing = from_payload(message.payload)
        value = smaller(outgoing.value or b"", message.job_id or "")
        return None if value is None else as_payload(replace(outgoing, value=value))


class WakeUps:
    """Wakes workers, by the queue."""

    destination = DISPATCH
    hold = 1.5 * _WAKE_S
    expires = 0.0

    def __init__(self, queue: Queue, delay: Callable[[int], float] | None = None) -> None:
        """`delay` is the outlet's; without one it grows exponentially."""
        self._queue = queue
        self.delay = delay or Backoff(RESEND_CAP_S)

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        return await asyncio.gather(*(self._wake(message) for message in messages))

    def smaller(self, message: Message) -> dict[str, Any] | None:  # noqa: ARG002 - a wake-up has no size
        return None

    async def _wake(self, message: Message) -> Sent:
        try:
            async with asyncio.timeout(_WAKE_S):
                await self._queue.send(message.message_id, message.payload)
        except PublishError as error:
            return Sent(error.message, fatal=True)
        except Exception as error:  # noqa: BLE001 - a broker's client may raise anything: the message is sent later
            return Sent(str(error) or type(error).__name__)
        return Sent()
