"""Read a topic from its end, without a group: everybody who listens hears every message, and nothing is remembered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from dictograph.kafka import reasons
from dictograph.kafka.connection import Connection, client, library

log = logging.getLogger(__name__)

#: The seconds after which a topic that is missing is looked for again.
_AGAIN_S = 1.0

#: How long the broker may hold an empty answer, in milliseconds: an idle listener costs one request in that time.
_LONG_POLL_MS = 5000


class Listener:
    """Calls `heard` for every message, in a thread of its own, until it is closed."""

    def __init__(self, connection: Connection, heard: Callable[[], None]) -> None:
        self._settings = {
            **connection.settings(),
            "group.id": "dictograph-listeners",  # the library wants one; nobody joins it
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "fetch.wait.max.ms": _LONG_POLL_MS,
            "queued.min.messages": 1,
            "topic.metadata.refresh.interval.ms": 10_000,
            "error_cb": lambda error: log.debug("%s", reasons.in_words(error)),
        }
        self._heard = heard
        self._closed = threading.Event()

    def start(self, topic: str) -> None:
        """Begin to listen; a topic that is not there is waited for."""
        threading.Thread(target=self._main, args=(topic,), daemon=True, name="dictograph-kafka-listener").start()

    def close(self) -> None:
        """Hear no more."""
        self._closed.set()

    def _main(self, topic: str) -> None:
        while not self._closed.is_set():
            listener = client("Consumer", self._settings)
            try:
                self._listen(listener, topic)
            except library().KafkaException as error:
                log.debug("%s: %s", topic, reasons.of(error))
                self._closed.wait(_AGAIN_S)
            finally:
                listener.close()

    def _listen(self, listener: Any, topic: str) -> None:
        make, end = library().TopicPartition, library().OFFSET_END
        while not (numbers := self._partitions(listener, topic)):
            if self._closed.wait(_AGAIN_S):
                return
        listener.assign([make(topic, number, end) for number in numbers])
        while not self._closed.is_set():
            message = listener.poll(1.0)
            if message is None:
                continue
            if (error := message.error()) is not None:
                if error.fatal() or error.name() in reasons.GONE:
                    raise library().KafkaException(error)
                continue
            self._heard()

    def _partitions(self, listener: Any, topic: str) -> list[int]:
        found = listener.list_topics(timeout=10).topics.get(topic)
        return [] if found is None else list(found.partitions)
