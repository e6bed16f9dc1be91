"""What `dictograph doctor` says of the group of contract K."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from sqlalchemy import Connection

from dictograph.cli.doctor.findings import Result, Verdict
from dictograph.cli.doctor.kafka_group_checks import group
from dictograph.database_setup import prepare_database
from dictograph.kafka.consumer import Consumer as KafkaConsumer
from dictograph.settings.loading import load
from dictograph.settings.model import Settings
from dictograph.store.compat import intakes
from dictograph.store.compat.intakes import Intake
from dictograph.store.database import Database
from tests.integration.kafka.clients import Recorder, consuming, name, until
from tests.kafka import Broker


@pytest.fixture
def settings(kafka_broker: Broker, tmp_path: Path) -> Settings:
    """Those of a worker that has taken the messages 0 to 4 of its topic, none of which was a job."""
    made = load(
        {
            "profile": "stt-worker",
            "queue_url": f"kafka://{kafka_broker.servers}",
            "stt_jobs_topic": kafka_broker.make_topic(name("jobs")),
            "stt_group": name("group"),
            "data_dir": tmp_path,
        }
    ).settings
    prepare_database(made)
    asyncio.run(take(made, range(5)))
    return made


async def take(settings: Settings, offsets: range) -> None:
    def store(conn: Connection) -> None:
        for offset in offsets:
            intakes.store(conn, Intake(f"i{offset}", "stt-worker", settings.stt_jobs_topic, 0, offset, f"m{offset}"))

    database = Database.open(settings.database)
    await database.write(store)
    await database.close()


def commit(broker: Broker, settings: Settings, offset: int) -> None:
    client = Consumer({"bootstrap.servers": broker.servers, "group.id": settings.stt_group})
    client.commit(offsets=[TopicPartition(settings.stt_jobs_topic, 0, offset)], asynchronous=False)
    client.close()


def test_offsets_that_were_set_back_or_deleted_are_named(kafka_broker: Broker, settings: Settings) -> None:
    assert group(settings)[0] is Verdict.WARN
    assert "partition 0 is at no offset, done up to 4" in group(settings)[1]
    commit(kafka_broker, settings, 5)
    assert group(settings) == (Verdict.OK, f"{settings.stt_group}: 0 members, 1 partitions", "")
    commit(kafka_broker, settings, 2)
    verdict, told, advice = group(settings)
    assert (verdict, "partition 0 is at 2, done up to 4" in told) == (Verdict.WARN, True)
    assert "no second one" in advice


def test_two_databases_in_a_group_are_named(kafka_broker: Broker, settings: Settings) -> None:
    commit(kafka_broker, settings, 5)

    def member(client: str) -> AbstractAsyncContextManager[KafkaConsumer]:
        return consuming(kafka_broker, Recorder(), settings.stt_jobs_topic, group=settings.stt_group, client=client)

    async def go() -> Result:
        async with member("dictograph-1") as one, member("dictograph-2") as other:
            await until(lambda: one.joined and other.joined)
            return await asyncio.to_thread(group, settings)

    verdict, told, advice = asyncio.run(go())
    assert verdict is Verdict.WARN
    assert "workers of 2 databases are in it" in told
    assert "PostgreSQL" in advice


def test_whoever_has_no_group_is_not_asked(tmp_path: Path) -> None:
    assert group(load({"data_dir": tmp_path}).settings)[:2] == (Verdict.OK, "not used")
