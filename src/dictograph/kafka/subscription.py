"""What a consumer receives, and how it joins its group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is received, and how the group is joined.

    Args:
        group: the consumer group.
        topics: all of them.
        most_unfinished: so many messages that count are received and not done, at most; None: any number.
        protocol: `classic`, or `consumer` (KIP-848, whose session time-out is the broker's).
        instance: the name for static membership; "" for none, since a broker that is killed may fence it for ever.
        session_s: after so many seconds without a heartbeat a consumer counts as dead.
        client: how this member of the group is called.
        max_poll_s: a receiver may take so many seconds to finish with partitions that another consumer gets.
    """

    group: str
    topics: Sequence[str]
    most_unfinished: int | None = None
    protocol: str = "classic"
    instance: str = ""
    session_s: float = 6.0
    max_poll_s: float = 300.0
    client: str = "dictograph"

    def settings(self) -> dict[str, Any]:
        """Return librdkafka's settings."""
        classic = {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(self.session_s * 1000),
            "heartbeat.interval.ms": max(200, int(self.session_s * 1000 / 4)),
        }
        return {
            "client.id": self.client,
            "group.id": self.group,
            "group.protocol": self.protocol,
            **(classic if self.protocol == "classic" else {}),
            **({"group.instance.id": self.instance} if self.instance else {}),
            "max.poll.interval.ms": int(self.max_poll_s * 1000),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "topic.metadata.refresh.interval.ms": 5000,
            "queued.max.messages.kbytes": 16 * 1024,
            "fetch.max.bytes": 16 * 2**20,
        }
