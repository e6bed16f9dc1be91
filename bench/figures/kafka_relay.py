"""How many results a relay gets acknowledged in a second, compared with a producer that waits for each."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import Connection as Rows
from sqlalchemy import func, select

from bench.figure import AT_LEAST, Check, Goal, Measured, Table
from bench.room import Room
from dictograph.broker import Outgoing
from dictograph.broker.envelope import as_payload
from dictograph.kafka.connection import Connection
from dictograph.kafka.producer import Producer
from dictograph.runtime.crash import CrashPoints
from dictograph.store import outbox
from dictograph.store.clock import read_clock
from dictograph.store.database import Database
from dictograph.store.migrate import upgrade
from dictograph.store.outbox import BROKER
from dictograph.store.tables import outbox as table
from dictograph.worker.relays.outlets import Answers
from dictograph.worker.relays.relay import Relay
from tests.kafka import Broker, broker

NAME = "kafka_relay"
TITLE = "Results acknowledged a second: the relay of the outbox ÷ a bare producer that flushes one by one"
GOAL = Goal(AT_LEAST, 5.0)

_COUNT, _ROUNDS = 5000, 3
_VALUE = json.dumps({"jobId": "j-1", "status": "COMPLETED", "transcriptText": "What was said. " * 60}).encode()

_HOW = """{count} results of 1 kB in the outbox of an SQLite file, sent by the relay as it runs in a service, from its
start until the last row is removed; beside it {one_by_one} by confluent-kafka's producer, idempotent and acks=all as
ours, with a flush after each. One broker; {rounds} rounds turn by turn, the median of each."""


def measure(room: Room) -> Measured:
    count, rounds = (300, 1) if room.quick else (_COUNT, _ROUNDS)
    relayed, flushed, left = [], [], 0
    with broker() as one:
        for turn in range(rounds):
            topic = one.make_topic(f"results-{turn}")
            speed, rest = asyncio.run(_relayed(room.scratch(f"relay{turn}"), one, topic, count))
            relayed.append(speed)
            left += rest
            flushed.append(_flushed(one, topic, count // 10))
            room.say(f"relay {relayed[-1]:.0f}/s, one by one {flushed[-1]:.0f}/s")
    ours, theirs = sorted(relayed)[rounds // 2], sorted(flushed)[rounds // 2]
    return Measured(
        value=round(ours / theirs, 2),
        checks=(Check("no message is left in the outbox", left == 0),),
        details=Table(("sender", "messages a second"), (("the relay", ours), ("flush after each", theirs))),
        notes=(" ".join(_HOW.format(count=count, one_by_one=count // 10, rounds=rounds).split()),),
        reason="each message is also taken and removed in the database, in transactions that are synced to the disk",
    )


async def _relayed(folder: Path, one: Broker, topic: str, count: int) -> tuple[float, int]:
    url = f"sqlite:///{folder / 'd.db'}"
    upgrade(url)
    database = Database.open(url)
    producer = Producer(Connection(one.servers), 1_000_000)
    await producer.send([Outgoing(topic, b"k", b"warm")])
    await database.write(lambda conn: _fill(conn, topic, count))
    relay = asyncio.create_task(Relay(database, Answers(producer), CrashPoints(), 0.01).run())
    began = time.monotonic()
    try:
        while (left := await database.read(_left)) and time.monotonic() < began + 300:
            await asyncio.sleep(0.02)
        return count / (time.monotonic() - began), left
    finally:
        relay.cancel()
        await asyncio.wait([relay])
        await producer.close()
        await database.close()


def _fill(conn: Rows, topic: str, count: int) -> None:
    now = read_clock(conn)
    for number in range(count):
        message: dict[str, Any] = as_payload(Outgoing(topic, str(number).encode(), _VALUE))
        outbox.enqueue(conn, now, destination=BROKER, message_id=f"m{number}", payload=message, available_at=now)


def _left(conn: Rows) -> int:
    return int(conn.execute(select(func.count()).select_from(table)).scalar_one())


def _flushed(one: Broker, topic: str, count: int) -> float:
    from confluent_kafka import Producer as Bare

    producer = Bare({"bootstrap.servers": one.servers, "enable.idempotence": True, "acks": "all", "log_level": 0})
    producer.produce(topic, b"warm")
    producer.flush(60)
    began = time.monotonic()
    for number in range(count):
        producer.produce(topic, _VALUE, key=str(number).encode())
        producer.flush(60)
    return count / (time.monotonic() - began)
