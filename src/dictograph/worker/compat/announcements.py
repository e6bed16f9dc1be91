"""The way out for the messages that tell of uploads through the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dictograph.broker import MessageProducer, Sent
from dictograph.broker.envelope import from_payload
from dictograph.store.outbox import ANNOUNCE, Message
from dictograph.worker.relays.outlets import RESEND_CAP_S


class Announcements:
    """Puts messages on their topics."""

    destination = ANNOUNCE
    resend_cap = RESEND_CAP_S

    def __init__(self, producer: MessageProducer) -> None:
        self._producer = producer
        self.hold = 1.5 * producer.deliver_timeout

    async def send(self, messages: Sequence[Message]) -> Sequence[Sent]:
        return await self._producer.send([from_payload(message.payload) for message in messages])

    def smaller(self, message: Message) -> dict[str, Any] | None:  # noqa: ARG002 - there is nothing to leave out
        return None
