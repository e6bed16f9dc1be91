"""Whether a topic can be used now, in the three words that an old gateway had for it."""

from __future__ import annotations

import asyncio
from enum import StrEnum

from dictograph.errors import BrokerUnavailable
from dictograph.kafka.topics import Topics
from dictograph.runtime.daemon_thread import in_daemon_thread

#: The seconds between two looks. With a look's own 1.5 s the word is true within 5 s.
_LOOK_S = 2.0

#: The most seconds of a look: the topics of a `Topics` for this probe have this patience.
PATIENCE_S = 1.5


class Word(StrEnum):
    """The state of a topic."""

    CONNECTED = "connected"
    TOPIC_NOT_FOUND = "topic_not_found"
    DISCONNECTED = "disconnected"


class Probe:
    """Looks again and again. An agent; `word` is read by requests, which so never wait for a broker."""

    name = "kafka probe"

    def __init__(self, topics: Topics, topic: str) -> None:
        self._topics = topics
        self._topic = topic
        self.word = Word.DISCONNECTED

    async def run(self) -> None:
        while True:
            self.word = await in_daemon_thread(self._look)
            await asyncio.sleep(_LOOK_S)

    def _look(self) -> Word:
        try:
            return Word.CONNECTED if self._topic in self._topics.names() else Word.TOPIC_NOT_FOUND
        except BrokerUnavailable:
            return Word.DISCONNECTED
