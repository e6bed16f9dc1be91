"""A consumer group as the broker sees it: who is in it, and how far it has come. Nothing is changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dictograph.broker import Partition
from dictograph.errors import BrokerUnavailable
from dictograph.kafka import reasons
from dictograph.kafka.client_log import QUIET
from dictograph.kafka.connection import Connection, library

#: The seconds that each question waits for its answer.
_PATIENCE_S = 10.0

#: The seconds before a question is asked again.
_AGAIN_S = 0.5


class GroupView:
    """Asks about one group. The calls block, and raise BrokerUnavailable."""

    def __init__(self, connection: Connection, group: str) -> None:
        library()
        from confluent_kafka.admin import AdminClient

        self._client: Any = AdminClient(connection.settings(), logger=QUIET)
        self._group = group

    def members(self) -> list[str]:
        """Return the client names of the members, one for each."""
        told = self._answer(lambda: self._client.describe_consumer_groups([self._group], request_timeout=_PATIENCE_S))
        return [member.client_id for member in told.members]

    def committed(self, topic: str) -> dict[Partition, int]:
        """Return the offset that is read next, for each partition of a topic where the group has one."""
        from confluent_kafka import ConsumerGroupTopicPartitions

        asked = [ConsumerGroupTopicPartitions(self._group)]
        told = self._answer(lambda: self._client.list_consumer_group_offsets(asked, request_timeout=_PATIENCE_S))
        mine = [one for one in told.topic_partitions if one.topic == topic and one.offset >= 0]
        return {Partition(one.topic, one.partition): one.offset for one in mine}

    def _answer(self, ask: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return ask()[self._group].result(_PATIENCE_S + 5)
            except TimeoutError as error:
                raise BrokerUnavailable(f"The group {self._group} cannot be asked for: no broker answers.") from error
            except library().KafkaException as error:
                # A new cluster has no coordinator at its first question, and makes one for it.
                if "COORDINATOR" not in error.args[0].name() or time.monotonic() > deadline:
                    why = reasons.of(error)
                    raise BrokerUnavailable(f"The group {self._group} cannot be asked for: {why}.") from error
            time.sleep(_AGAIN_S)
