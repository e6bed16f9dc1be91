"""Celery's transport for Redis, which drops what is no message. One such item would end the worker."""

from __future__ import annotations

from queue import Empty
from typing import Any

from celery.utils.log import get_logger
from kombu.transport import redis

from dictograph.celery.beats import beat, is_supervised

log = get_logger(__name__)

#: How much of an item is logged, in characters.
_SHOWN = 80


class QoS(redis.QoS):
    """The messages that a channel holds: each is told to the supervisor before its task begins."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """Hold a message."""
        super().append(message, delivery_tag)  # type: ignore[no-untyped-call] # kombu types a part of itself
        if is_supervised():
            beat(self.held())

    def held(self) -> list[str]:
        """Return the tags of the messages that are not acknowledged."""
        return list(self._delivered)


class Channel(redis.Channel):
    """A channel that removes items that cannot be decoded."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        self.connection.decoded = False
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call] # as above
        except Exception as error:
            if self.connection.decoded or isinstance(error, self._not_of_items):
                raise
            _tell(getattr(error, "doc", None) or getattr(error, "object", None) or error)
            return True

    @property
    def _not_of_items(self) -> tuple[type[BaseException], ...]:
        """Return the errors that say nothing about an item: there was none, or Redis has failed."""
        return (Empty, *self.connection_errors, *self.connection.channel_errors)


class Transport(redis.Transport):
    """A transport that removes items that are no messages. `decoded`: the item that is read was decoded."""

    Channel = Channel
    decoded = False

    def _deliver(self, message: Any, queue: str) -> None:
        self.decoded = True
        if is_message(message, self.channels[0]):
            super()._deliver(message, queue)  # type: ignore[no-untyped-call] # as above
        else:
            _tell(message)


def is_message(item: Any, channel: Any) -> bool:
    """Return whether kombu can make a message of an item of a queue, and put it back later."""
    try:
        message = channel.Message(item, channel=channel)
        places = (message.delivery_tag, message.delivery_info["exchange"], message.delivery_info["routing_key"])
    except Exception:  # noqa: BLE001 - whatever it is, the item is the reason
        return False
    return all(isinstance(place, str) for place in places)


def _tell(item: Any) -> None:
    text = repr(item)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"
    log.error("an item of the queue was no message, and was removed: %s", shown)
