"""Contract K's parts of a process whose queue is on Kafka: the consumer of jobs, and the relay of their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dictograph.broker import MessageProducer
from dictograph.contract import Contract
from dictograph.runtime.crash import CrashPoints
from dictograph.settings.model import Settings
from dictograph.store.backends.schemes import SQLITE, scheme_kind
from dictograph.store.database import Database
from dictograph.stt.decision import OffsetRule

if TYPE_CHECKING:
    from dictograph.worker.agent import Agent

#: The most messages that are unfinished where each is done with its row: what waits for the commit, and dead letters.
_MOST_ON_SHARED = 1000


@dataclass(frozen=True, slots=True)
class SttParts:
    """The agents of a worker; what says why it gets no jobs from Kafka (None when it does); and what describes its
    part in the group (empty without one)."""

    agents: Sequence[Agent]
    trouble: Callable[[], str | None] = lambda: None
    describe: Callable[[], dict[str, Any]] = dict


def answer_agents(
    settings: Settings, database: Database, producer: MessageProducer | None, crash: CrashPoints
) -> list[Agent]:
    """Return the agents of a process that takes no jobs from Kafka: it sends the answers that others have left."""
    if producer is None:
        return []
    from dictograph.worker.relays.outlets import Answers
    from dictograph.worker.relays.relay import Relay

    return [Relay(database, Answers(producer), crash, settings.poll_interval)]


def stt_parts(
    settings: Settings,
    database: Database,
    producer: MessageProducer | None,
    crash: CrashPoints,
    can_run: Callable[[], bool],
    is_stored: Callable[[str], bool],
    identity: str,
) -> SttParts:
    """Return the parts of a worker.

    `can_run` says whether the worker could run a job now, `is_stored` whether a URL is that of a stored
    object. `identity` is the database's.
    """
    if producer is None or Contract.STT_WORKER not in settings.profile:
        return SttParts(answer_agents(settings, database, producer, crash))
    from dictograph.kafka.consumer import Consumer
    from dictograph.kafka_setup import connection_of
    from dictograph.parts.kafka_parts import subscription_of
    from dictograph.service.compat.stt_jobs import SttJobs
    from dictograph.worker.relays.outlets import Answers
    from dictograph.worker.relays.relay import Relay
    from dictograph.worker.stt_intake import SttIntake

    rule = offset_rule(settings)
    jobs = SttJobs(settings, lambda: producer.max_bytes, is_stored)
    intake = SttIntake(database, jobs, rule, crash, settings.poll_interval, can_run)
    most = settings.concurrency + settings.stt_queue_max if rule is OffsetRule.ANSWER else _MOST_ON_SHARED
    subscription = subscription_of(settings, settings.stt_group, [settings.stt_jobs_topic], identity, most)
    consumer = Consumer(connection_of(settings), subscription, intake, crash)
    intake.serve(consumer)
    relay = Relay(database, Answers(producer), crash, settings.poll_interval, intake.answers_sent)

    def trouble() -> str | None:
        return consumer.trouble or (None if consumer.joined else f"The group {settings.stt_group} is not joined yet.")

    def describe() -> dict[str, Any]:
        lag = {f"{one.topic}/{one.number}": count for one, count in sorted(consumer.lag().items())}
        return {"group": settings.stt_group, "joined": consumer.joined, "lag": lag}

    return SttParts([intake, consumer, relay], trouble, describe)


def offset_rule(settings: Settings) -> OffsetRule:
    """Return when offsets are done: a database server keeps rows for all workers, a file is this machine's own."""
    return OffsetRule.ANSWER if scheme_kind(settings.database) == SQLITE else OffsetRule.ROW
