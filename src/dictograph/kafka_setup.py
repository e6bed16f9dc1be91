"""What the settings say of Kafka: the brokers, the topics that this service needs, and who makes them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dictograph.contract import Contract
from dictograph.errors import DictographError
from dictograph.kafka.connection import Connection
from dictograph.kafka.producer import Batching, Producer
from dictograph.kafka.topics import Made, Topics, TopicSpec
from dictograph.settings.loading import load
from dictograph.settings.model import Settings

log = logging.getLogger(__name__)

#: How the names of members of groups begin; the identity of their database follows.
CLIENT = "dictograph-"

#: How long the topic of wake-ups keeps them, in seconds: a worker that was not there needs none.
_WAKE_RETENTION_S = 3600.0


def connection_of(settings: Settings) -> Connection:
    """Return how the brokers are reached."""
    return Connection(
        settings.brokers,
        settings.kafka_tls,
        settings.kafka_ca_file,
        settings.kafka_certificate_file,
        settings.kafka_key_file,
        settings.kafka_key_password,
        settings.kafka_sasl,
        settings.kafka_user,
        settings.kafka_password,
    )


def producer_of(settings: Settings) -> Producer:
    """Return a producer. It connects at its first message, or when it is told to."""
    batching = Batching(settings.kafka_batch_size, settings.kafka_linger * 1000, settings.kafka_compression)
    return Producer(connection_of(settings), settings.kafka_max_message, batching)


def client_name(identity: str) -> str:
    """Return how the members of groups are called whose database has this identity."""
    return f"{CLIENT}{identity}"


def wake_topic(settings: Settings, identity: str) -> TopicSpec:
    """Return the topic that wakes the workers of a database with this identity."""
    name = settings.kafka_wake_topic or f"dictograph-wake-{identity}"
    return TopicSpec(name, 1, settings.kafka_replication, _WAKE_RETENTION_S)


def contract_topics(settings: Settings, *, everything: bool = False) -> list[TopicSpec]:
    """Return the topics of the contracts in use; with `everything`, also those for results and errors that an old
    gateway's command made, and that nobody writes to."""
    names = []
    if Contract.GATEWAY in settings.profile:
        names.append(settings.gateway_topic)
        if everything:
            names += [f"{settings.gateway_topic}-results", f"{settings.gateway_topic}-errors"]
    if Contract.STT_WORKER in settings.profile:
        names += [settings.stt_jobs_topic, settings.stt_results_topic, settings.stt_dead_letter_topic]
    return [topic_of(settings, name) for name in names]


def topic_of(settings: Settings, name: str) -> TopicSpec:
    """Return how a topic of this name is made."""
    return TopicSpec(name, settings.kafka_partitions, settings.kafka_replication, settings.kafka_retention)


def make_topics(settings: Settings, specs: Sequence[TopicSpec]) -> dict[str, Made]:
    """Make the topics that are missing, and log what became of each. Raises BrokerUnavailable."""
    made = dict(Topics(connection_of(settings)).ensure(specs))
    for name, outcome in made.items():
        log.info("Topic '%s' %s", name, "already exists" if outcome is Made.EXISTS else "created")
    return made


def ensure_topic(**overrides: Any) -> bool:
    """Make the standard topic of the gateway, unless it exists. Return whether it is there; the reason why not is
    logged. Keyword arguments are settings; the profile is `gateway`."""
    return _done(_loaded(overrides), everything=False)


def setup_all(**overrides: Any) -> bool:
    """Make the folders and all topics of the gateway, unless they exist. Return whether they are there."""
    settings = _loaded(overrides)
    for folder in filter(None, (settings.data_dir, settings.storage)):
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            log.error("%s cannot be made: %s", folder, error.strerror)
            return False
    return _done(settings, everything=True)


def _loaded(overrides: dict[str, Any]) -> Settings:
    return load({"profile": [Contract.GATEWAY.value], **overrides}).settings


def _done(settings: Settings, *, everything: bool) -> bool:
    try:
        make_topics(settings, contract_topics(settings, everything=everything))
    except DictographError as error:
        log.error("%s", error)
        return False
    return True
