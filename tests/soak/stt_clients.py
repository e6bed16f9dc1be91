"""Senders of contract K: they publish jobs, and each pending one again every second, and read what comes of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from tests.soak.stt_answers import Answers, Reply
from tests.stt_field import Field, value

#: How often pending jobs are published once more, in seconds.
AGAIN_S = 1.0

#: So many of a job's sender's choices are files that cannot be transcribed.
BAD_ONE_IN = 8


class SttClients:
    """One thread publishes while `room()` is true, another one reads.

    `good` are files below `site` whose jobs end well, `bad` those that fail.
    """

    def __init__(
        self, field: Field, site: str, good: Sequence[str], bad: Sequence[str], room: Callable[[int], bool], seed: int
    ) -> None:
        self.answers = Answers(frozenset(bad))
        self.promised = self.answers.promised
        self.published = 0
        self._field = field
        self._site = site
        self._good, self._bad = good, bad
        self._room = room
        self._chance = random.Random(seed)
        self._finishing, self._ending = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True) for work in (self._publish, self._read)
        ]

    @property
    def pending(self) -> list[str]:
        return [job for job in list(self.promised) if job not in self.answers.results]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raise what a thread has died of, if one has."""
        if self._failure is not None:
            raise self._failure

    def finish(self) -> None:
        """Publish no new job. What is pending is published on until it has its result."""
        self._finishing.set()

    def end(self) -> None:
        self._finishing.set()
        self._ending.set()
        for thread in self._threads:
            thread.join(60)
        self.check()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is asked for
            self._failure = error

    def _publish(self) -> None:
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self._field.broker.servers, "log_level": 0})
        next_round = time.monotonic() + AGAIN_S
        while not self._ending.wait(0.05):
            pending = self.pending
            if not self._finishing.is_set() and self._room(len(pending)):
                self._put(producer, self._new(), correlationId="c-1")
            if time.monotonic() >= next_round:
                next_round = time.monotonic() + AGAIN_S
                for job in pending:
                    self._put(producer, job, createdAt=time.time(), correlationId=None)
            producer.poll(0)
        producer.flush(60)

    def _new(self) -> str:
        job = str(uuid4())
        files = self._bad if self._chance.randrange(BAD_ONE_IN) == 0 else self._good
        self.promised[job] = self._chance.choice(files)
        return job

    def _put(self, producer: Any, job: str, **fields: Any) -> None:
        data = value(jobId=job, taskId=f"task of {job}", audioUrl=f"{self._site}/{self.promised[job]}", **fields)
        producer.produce(self._field.jobs, value=data, key=job.encode())
        self.published += 1

    def _read(self) -> None:
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        settings = {"bootstrap.servers": self._field.broker.servers, "group.id": "none", "log_level": 0}
        reader = Consumer({**settings, "auto.offset.reset": "earliest", "enable.auto.commit": False})
        places = {self._field.results: self.answers.results, self._field.letters: self.answers.letters}
        reader.assign([TopicPartition(name, 0, OFFSET_BEGINNING) for name in places])
        seen: set[tuple[str, int]] = set()
        while not self._ending.is_set():
            for message in reader.consume(500, 0.2):
                topic, key = str(message.topic()), message.key() or b""
                if message.error() is None and (place := (topic, message.offset() or 0)) not in seen:
                    seen.add(place)
                    places[topic][key.decode()].append(_reply(message))
        reader.close()


def _reply(message: Any) -> Reply:
    return Reply(dict(message.headers())["message-id"], message.value(), message.timestamp()[1])
