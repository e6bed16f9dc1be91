"""Topics: make those that are missing, list, delete, and see whether a broker answers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dictograph.errors import BrokerUnavailable
from dictograph.kafka import reasons
from dictograph.kafka.client_log import QUIET
from dictograph.kafka.connection import Connection, library

log = logging.getLogger(__name__)

#: The seconds that a command waits for a broker.
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """How a topic is made when it is missing; one that exists stays as it is. `retention_s` 0: the broker's own."""

    name: str
    partitions: int = 1
    replication: int = 1
    retention_s: float = 86400.0

    def config(self) -> dict[str, str]:
        return {"retention.ms": str(int(self.retention_s * 1000))} if self.retention_s else {}


class Made(StrEnum):
    """What became of a topic that was to be made."""

    CREATED = "created"
    EXISTS = "exists"


class Topics:
    """The topics of a cluster. All calls block, for `patience` seconds at most. Raises BrokerUnavailable."""

    def __init__(self, connection: Connection, patience: float = PATIENCE_S) -> None:
        self._connection = connection
        self._patience = patience
        self._cause = ""
        self._client: Any = None

    def names(self) -> list[str]:
        """Return the names of all topics that this user may see."""
        return sorted(self._listed())

    def ensure(self, specs: Iterable[TopicSpec]) -> Mapping[str, Made]:
        """Make the topics that are missing."""
        found = self._listed()
        return {spec.name: Made.EXISTS if spec.name in found else self._make(spec) for spec in specs}

    def delete(self, name: str) -> None:
        """Delete a topic, with all its messages."""
        self._wait(self._admin().delete_topics([name], request_timeout=self._patience)[name])

    def largest_message(self, names: Sequence[str]) -> int | None:
        """Return the fewest bytes that one of these topics takes as a message; None when nobody may ask."""
        from confluent_kafka.admin._config import ConfigResource

        asked = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in names]
        sizes = []
        for told in self._admin().describe_configs(asked, request_timeout=self._patience).values():
            try:
                sizes.append(int(told.result(self._patience)["max.message.bytes"].value))
            except (library().KafkaException, TimeoutError, KeyError):
                return None
        return min(sizes, default=None)

    def _make(self, spec: TopicSpec) -> Made:
        from confluent_kafka.cimpl import NewTopic

        asked = NewTopic(spec.name, spec.partitions, spec.replication, config=spec.config())
        made = self._admin().create_topics([asked], request_timeout=self._patience)[spec.name]
        try:
            made.result(self._patience + 5)
        except library().KafkaException as error:
            if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                return Made.EXISTS
            raise self._unavailable(error) from error
        log.info("topic '%s' was made", spec.name)
        return Made.CREATED

    def _listed(self) -> Mapping[str, Any]:
        """Return all topics. Who is refused by the broker is told so at once, and does not wait."""
        admin, deadline = self._admin(), time.monotonic() + self._patience
        each = max(1.0, self._patience / 3)
        self._cause = ""
        while True:
            try:
                topics: Mapping[str, Any] = admin.list_topics(timeout=each).topics
            except library().KafkaException as error:
                admin.poll(0)  # why it was not reached comes by a callback
                if self._cause or time.monotonic() > deadline - 0.1:
                    raise self._unavailable(error) from error
            else:
                return topics

    def _wait(self, future: Any) -> None:
        try:
            future.result(self._patience + 5)
        except library().KafkaException as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: BaseException) -> BrokerUnavailable:
        if self._cause or not reasons.is_answer(error):
            why = self._cause or reasons.of(error)
            return BrokerUnavailable(f"Failed to connect to Kafka at {self._connection.servers}: {why}.")
        return BrokerUnavailable(f"Kafka at {self._connection.servers} refuses: {reasons.of(error)}.")

    def _admin(self) -> Any:
        if self._client is None:
            library()
            from confluent_kafka.admin import AdminClient

            settings: Any = {**self._connection.settings(), "error_cb": self._failed}
            self._client = AdminClient(settings, logger=QUIET)
        return self._client

    def _failed(self, error: Any) -> None:
        if error.name() in reasons.CAUSES:
            self._cause = reasons.in_words(error)
