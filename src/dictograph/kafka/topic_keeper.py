"""Make topics that are missing, at the start and when one was deleted; a broker that is not up is waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from dictograph.errors import BrokerUnavailable
from dictograph.kafka.producer import Producer
from dictograph.kafka.topics import Made, Topics, TopicSpec
from dictograph.runtime.daemon_thread import in_daemon_thread
from dictograph.runtime.outage_log import OutageLog

log = logging.getLogger(__name__)

#: The seconds between two looks when all is there, and the first and longest wait after a failure.
_LOOK_S, _FIRST_S, _LONGEST_S = 10.0, 0.5, 10.0


class TopicKeeper:
    """Keeps topics there. An agent: `wanted` is asked once for the topics of this process."""

    name = "topics"

    def __init__(
        self, topics: Topics, producer: Producer, wanted: Callable[[], Awaitable[Sequence[TopicSpec]]]
    ) -> None:
        self._topics = topics
        self._producer = producer
        self._wanted = wanted
        self._outages = OutageLog(log, "topics")
        self._known = False

    async def run(self) -> None:
        await self._producer.connect()
        specs = await self._wanted()
        pause = _FIRST_S
        while True:
            if await self._ensure(specs):
                pause = _FIRST_S
                await asyncio.sleep(_LOOK_S)
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_S)

    async def _ensure(self, specs: Sequence[TopicSpec]) -> bool:
        try:
            made = await in_daemon_thread(self._topics.ensure, specs)
        except BrokerUnavailable as error:
            self._outages.failed(error)
            return False
        self._outages.recovered()
        if not self._known or Made.CREATED in made.values():
            self._known = True
            await self._limit([spec.name for spec in specs])
        return True

    async def _limit(self, names: Sequence[str]) -> None:
        """Let the producer know what these topics take."""
        try:
            largest = await in_daemon_thread(self._topics.largest_message, names)
        except BrokerUnavailable:
            return
        if largest is not None:
            self._producer.limit(largest)
