"""Trials of jobs from a topic that `make soak` does beside its runs; each returns its figures, or fails.

Jobs that take longer than a poll may wait, while members of the group come and go; a data folder that is deleted again
and again; messages that are no jobs, very many.
"""

from __future__ import annotations

import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from tests.service import eventually
from tests.soak.stt_answers import stt_faults
from tests.soak.topic_scene import TopicScene, topic_scene
from tests.stt_field import Field, value

Say = Callable[[str], None]

#: The shortest that the setting allows, in seconds, and how long each job takes.
MAX_POLL_S, JOB_S = 6, 8

#: The most by which a worker's memory may grow over the messages that are no jobs.
FLAT = 32 * 2**20


def long_jobs(count: int, say: Say) -> dict[str, Any]:
    """Jobs longer than a poll may wait, on PostgreSQL, while other members of the group come and go."""
    with topic_scene("postgresql") as scene:
        more = {"kafka_max_poll": f"{MAX_POLL_S}s", "concurrency": 20, "stt_attempt_timeout": "600s"}
        scene.folder.joinpath("digest.json").write_text(json.dumps({"delay": JOB_S, "max_batch": 32}))
        for _ in range(2):
            scene.worker(**more)
        names = [f"job-{number}" for number in range(count)]
        scene.field.put(*(value(jobId=name, audioUrl=f"{scene.site}/short.wav") for name in names))
        with _members_that_come_and_go(scene.field) as visits:
            eventually(lambda: visits[0] > 0, 120)
            scene.worker(**more)
            eventually(lambda: _told(say, scene, count) >= count, 1800, "not all jobs are done", 2)
        eventually(scene.field.all_is_committed, 120)
        results = scene.field.answers(scene.field.results)
        attempts = scene.workers[0].rows("SELECT max(attempt), count(*) FROM transcription_job")
        logs = "".join(one.words_of_log() for one in scene.workers)
        figures = {
            "jobs": count,
            "jobs_answered": len(results),
            "visits": visits[0],
            "results": sum(map(len, results.values())),
            "most_attempts": attempts[0][0],
            "evictions": logs.lower().count("maximum poll interval"),
        }
        assert figures == figures | {
            "jobs_answered": count, "results": count, "most_attempts": 1, "evictions": 0,
        }, figures  # fmt: skip
        return figures


def _told(say: Say, scene: TopicScene, count: int) -> int:
    done = len(scene.field.answers(scene.field.results))
    say(f"{done} of {count} jobs are done")
    return done


@contextmanager
def _members_that_come_and_go(field: Field) -> Iterator[list[int]]:
    """Another client of the group joins, takes messages, and leaves without a word; the list has how often."""
    visits, over = [0], threading.Event()

    def visit() -> None:
        from confluent_kafka import Consumer

        chance = random.Random(1)
        while not over.wait(chance.uniform(8, 12)):
            guest = Consumer({
                "bootstrap.servers": field.broker.servers, "group.id": field.group, "log_level": 0,
                "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False,
                "auto.offset.reset": "earliest", "session.timeout.ms": 6000, "max.poll.interval.ms": 6000,
            })  # fmt: skip
            guest.subscribe([field.jobs])
            until = time.monotonic() + chance.uniform(3, 6)
            while time.monotonic() < until:
                guest.poll(0.1)
            guest.close()
            visits[0] += 1

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    try:
        yield visits
    finally:
        over.set()
        thread.join(60)


def deleted_folder(count: int, say: Say) -> dict[str, Any]:
    """A worker on the embedded database is killed and its data folder deleted, again and again."""
    with topic_scene("sqlite") as scene:
        worker = scene.worker()
        worker.behave(delay=0.5, max_batch=2)
        clients = scene.clients(lambda pending: pending < 10 and len(clients.promised) < count)
        clients.start()
        deleted, chance = 0, random.Random(1)
        until = time.monotonic() + 1800
        while len(clients.promised) < count or clients.pending:
            clients.check()
            assert time.monotonic() < until, f"{len(clients.pending)} jobs have no result"
            time.sleep(chance.uniform(5, 12))  # how long a worker lives is what is varied here
            if len(clients.promised) < count:
                worker.kill()
                shutil.rmtree(worker.data)
                worker.start()
                deleted += 1
                say(f"{deleted} times deleted, {len(clients.promised)} jobs promised")
        clients.end()
        eventually(scene.field.all_is_committed, 120)
        faults = stt_faults(clients.answers)
        figures = {"jobs": len(clients.promised), "times_deleted": deleted, "lost": len(faults["unanswered"])}
        assert deleted >= 3
        assert not any(faults[name] for name in ("unanswered", "two_answers", "wrong_status")), faults
        return figures


def poison(count: int, say: Say) -> dict[str, Any]:
    """Messages that are no jobs, very many, and then a job."""
    with topic_scene("sqlite") as scene:
        worker = scene.worker()
        eventually(lambda: "Kafka Consumer connected" in worker.words_of_log(), 120)
        began = time.monotonic()
        for first in range(0, count, 1000):
            scene.field.put(*(json.dumps({"jobId": f"p{n}"}).encode() for n in range(first, min(first + 1000, count))))
        scene.field.put(value(jobId="after", audioUrl=f"{scene.site}/short.wav"))
        process = psutil.Process(worker.process.pid if worker.process else 0)
        memory: list[int] = []
        while not scene.field.answers(scene.field.results)["after"]:
            assert worker.running, worker.words_of_log()[-3000:]
            assert time.monotonic() - began < 3600, "the next job is not done"
            memory.append(process.memory_full_info().uss)
            say(f"{len(scene.field.read(scene.field.letters))} letters, {memory[-1] // 2**20} MiB")
            time.sleep(2)
        seconds = time.monotonic() - began
        eventually(lambda: len(scene.field.read(scene.field.letters)) >= count, 600, longest=0.2)
        eventually(scene.field.all_is_committed, 120)
        letters = [json.loads(one.value()) for one in scene.field.read(scene.field.letters)]
        in_order = all(_in_order(letters, number) for number in range(scene.field.partitions))
        grown = max(memory) - memory[min(2, len(memory) - 1)]
        figures = {
            "messages": count,
            "letters": len(letters),
            "in_order": in_order,
            "seconds": round(seconds),
            "grown_mib": round(grown / 2**20, 1),
        }
        assert figures["letters"] == count, figures
        assert in_order, "letters are not in the order of their messages"
        assert grown < FLAT, figures
        return figures


def _in_order(letters: list[dict[str, Any]], partition: int) -> bool:
    offsets = [one["originalOffset"] for one in letters if one["originalPartition"] == partition]
    return offsets == sorted(set(offsets))


#: Each with the function that does it, and its full count.
TRIALS: dict[str, tuple[Callable[[int, Say], dict[str, Any]], int]] = {
    "long jobs": (long_jobs, 200),
    "deleted folder": (deleted_folder, 200),
    "poison": (poison, 100_000),
}
