"""Short jobs on PostgreSQL, the queue on Kafka, compared with the queue in the database."""

from __future__ import annotations

from bench.figure import AT_LEAST, Goal, Measured
from bench.queue_contest import contest
from bench.room import Room
from tests.kafka import broker

NAME = "kafka_queue"
TITLE = "Jobs per second with an engine that does nothing, PostgreSQL: Kafka queue ÷ database queue"
GOAL = Goal(AT_LEAST, 0.9)


def measure(room: Room) -> Measured:
    with broker() as one:
        return contest(room, "Kafka", f"kafka://{one.servers}", "each job's wake-up is also sent to a broker")
