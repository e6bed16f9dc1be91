"""What a service may stand on: the database, what wakes its workers, and where its audio is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from tests.kafka import Broker, broker
from tests.postgres import Cluster, cluster
from tests.redis import RedisServer, redis_server
from tests.s3 import S3Server, own_server


@dataclass(frozen=True, slots=True)
class Combination:
    """`database` is sqlite or postgresql, `queue` database, kafka or celery, `storage` folder or s3."""

    database: str = "sqlite"
    queue: str = "database"
    storage: str = "folder"

    def __str__(self) -> str:
        return f"{self.database}+{self.queue}+{self.storage}"


class Server(Protocol):
    """A server that can be killed, as by a power cut, and started again."""

    def kill(self) -> None: ...
    def start(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of a combination; None for what it does not need."""

    cluster: Cluster | None = None
    broker: Broker | None = None
    s3: S3Server | None = None
    redis: RedisServer | None = None

    def settings(self) -> dict[str, Any]:
        """Return the settings of a service here, with a database and a bucket that no other service has."""
        found: dict[str, Any] = {}
        if self.cluster is not None:
            found["database_url"] = self.cluster.new_database()
        if self.broker is not None:
            found["queue_url"] = f"kafka://{self.broker.servers}"
        if self.redis is not None:
            found["queue_url"] = self.redis.url(self.redis.new_database())
        if self.s3 is not None:
            found |= self.s3.settings(self.s3.new_bucket())
        return found

    def by_name(self) -> dict[str, Server]:
        """Return those that there are."""
        named: dict[str, Server | None] = {
            "PostgreSQL": self.cluster,
            "Kafka": self.broker,
            "Redis": self.redis,
            "S3": self.s3,
        }
        return {name: server for name, server in named.items() if server is not None}


def shared_servers(combination: Combination, request: pytest.FixtureRequest) -> Servers:
    """Return the servers that all tests of a run share."""
    return Servers(
        request.getfixturevalue("postgres") if combination.database == "postgresql" else None,
        request.getfixturevalue("kafka_broker") if combination.queue == "kafka" else None,
        request.getfixturevalue("s3") if combination.storage == "s3" else None,
        request.getfixturevalue("redis") if combination.queue == "celery" else None,
    )


@contextmanager
def own_servers(combination: Combination) -> Iterator[Servers]:
    """Servers of one's own, to be killed and started again; they are gone afterwards whatever happens."""
    with ExitStack() as stack:
        yield Servers(
            stack.enter_context(cluster()) if combination.database == "postgresql" else None,
            stack.enter_context(broker()) if combination.queue == "kafka" else None,
            stack.enter_context(own_server()) if combination.storage == "s3" else None,
            stack.enter_context(redis_server()) if combination.queue == "celery" else None,
        )
