"""The parts of a process whose queue is on Kafka: one producer, the wake-ups, the topics, the gateway's messages."""

from __future__ import annotations

from collections.abc import Sequence

from dictograph.blobs.protocol import Blobs
from dictograph.contract import Contract
from dictograph.kafka.connection import library
from dictograph.kafka.consumer import Consumer
from dictograph.kafka.probe import PATIENCE_S, Probe
from dictograph.kafka.subscription import Subscription
from dictograph.kafka.topic_keeper import TopicKeeper
from dictograph.kafka.topics import Topics, TopicSpec
from dictograph.kafka_setup import client_name, connection_of, contract_topics, producer_of, wake_topic
from dictograph.queue.kafka import KafkaQueue
from dictograph.runtime.crash import CrashPoints
from dictograph.service.status import QueueState
from dictograph.settings.model import Settings
from dictograph.store.database import Database
from dictograph.worker.agent import Agent
from dictograph.worker.compat.gateway_intake import GatewayIntake
from dictograph.worker.relays.outlets import Announcements
from dictograph.worker.relays.relay import Relay


class KafkaParts:
    """What a process has of Kafka. Nothing connects before its agents run."""

    def __init__(self, settings: Settings, database: Database, crash: CrashPoints, identity: str) -> None:
        """`identity` is the database's. Raises SettingsError where the library is not installed."""
        library()
        self.identity = identity
        self._settings = settings
        self._database = database
        self._crash = crash
        self._connection = connection_of(settings)
        self.producer = producer_of(settings)
        self.queue = KafkaQueue(database, self._connection, self.producer, self._wake_topic_name)
        self._probe = self._probe_of_gateway()

    def agents(self) -> list[Agent]:
        """Return the agents of every process."""
        agents: list[Agent] = [TopicKeeper(Topics(self._connection), self.producer, self._topics)]
        if self._probe is not None:
            relay = Relay(self._database, Announcements(self.producer), self._crash, self._settings.poll_interval)
            agents += [self._probe, relay]
        return agents

    def worker_agents(self, blobs: Blobs) -> list[Agent]:
        """Return the further agents of a process that runs jobs."""
        return [] if self._probe is None else [self._gateway_consumer(blobs)]

    def word(self) -> str:
        """Return the state of the gateway's topic, in one of its three words."""
        return "disconnected" if self._probe is None else self._probe.word.value

    def state(self) -> QueueState:
        """Return what is known of the queue."""
        return QueueState("kafka", self.producer.reachability.trouble or "")

    async def close(self) -> None:
        await self.producer.close()

    def _probe_of_gateway(self) -> Probe | None:
        """Return the probe of the gateway's topic; None where its profile is not selected."""
        if Contract.GATEWAY not in self._settings.profile:
            return None
        return Probe(Topics(self._connection, PATIENCE_S), self._settings.gateway_topic)

    def _gateway_consumer(self, blobs: Blobs) -> Consumer:
        settings = self._settings
        receiver = GatewayIntake(self._database, blobs, settings)
        subscription = subscription_of(settings, settings.gateway_group, [settings.gateway_topic], self.identity)
        consumer = Consumer(self._connection, subscription, receiver, self._crash)
        receiver.serve(consumer)
        return consumer

    async def _topics(self) -> Sequence[TopicSpec]:
        return [self._wake_topic(), *contract_topics(self._settings)]

    async def _wake_topic_name(self) -> str:
        return self._wake_topic().name

    def _wake_topic(self) -> TopicSpec:
        return wake_topic(self._settings, self.identity)


def subscription_of(
    settings: Settings, group: str, topics: Sequence[str], identity: str, most_unfinished: int | None = None
) -> Subscription:
    """Return how a consumer joins its group, as the settings say. Its name has the identity of its database."""
    return Subscription(
        group,
        topics,
        most_unfinished,
        settings.kafka_protocol,
        settings.kafka_instance,
        settings.kafka_session,
        settings.kafka_max_poll,
        client_name(identity),
    )
