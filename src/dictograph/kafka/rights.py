"""What this user may do with topics and groups, as the broker itself says. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dictograph.kafka import reasons
from dictograph.kafka.client_log import QUIET
from dictograph.kafka.connection import Connection, library

#: The seconds that each question waits for its answer.
_PATIENCE_S = 10.0

_FOR_TOPIC = ("READ", "WRITE")
_FOR_GROUP = ("READ",)


class Rights:
    """Asks a cluster that answers. The calls block."""

    def __init__(self, connection: Connection) -> None:
        library()
        from confluent_kafka.admin import AdminClient

        self._client = AdminClient(connection.settings(), logger=QUIET)

    def of_topics(self, names: Sequence[str]) -> Iterator[str]:
        """Yield what is wrong with topics, one sentence each. A topic that does not exist is made, so it is right."""
        from confluent_kafka import TopicCollection

        asked = self._client.describe_topics(
            TopicCollection(list(names)), include_authorized_operations=True, request_timeout=_PATIENCE_S
        )
        for name in names:
            yield from _troubles(f"topic {name}", asked[name], _FOR_TOPIC)

    def of_group(self, name: str) -> Iterator[str]:
        """Yield what is wrong with a consumer group."""
        asked = self._client.describe_consumer_groups(
            [name], include_authorized_operations=True, request_timeout=_PATIENCE_S
        )
        yield from _troubles(f"group {name}", asked[name], _FOR_GROUP)


def _troubles(what: str, told: Any, needed: Sequence[str]) -> Iterator[str]:
    try:
        allowed = told.result(_PATIENCE_S + 5).authorized_operations or ()
    except library().KafkaException as error:
        # Any other error says nothing of rights: a topic is not there yet, a new cluster has no coordinator yet.
        if error.args[0].name().endswith("AUTHORIZATION_FAILED"):
            yield f"{what}: {reasons.of(error)}"
        return
    except TimeoutError:
        return
    names = {operation.name for operation in allowed}
    if lacking := [one for one in needed if one not in names]:
        yield f"{what}: the user has no right to {' and '.join(lacking).lower()}"
