"""Contract K's jobs from message to result, compared with native jobs of the same URLs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from bench.figure import AT_LEAST, Check, Goal, Measured, Table
from bench.figures.jobs_per_second import wait_for
from bench.room import Room
from tests.audio_files import write_noise
from tests.kafka import Broker, broker
from tests.service import Service, eventually
from tests.unit.stt import jobs

NAME = "stt_jobs"
TITLE = "Jobs per second of contract K on SQLite, message to result ÷ native jobs of the same URLs"
GOAL = Goal(AT_LEAST, 0.8)

_COUNT, _WARM_UP, _CLIENTS, _ROUNDS = 200, 8, 8, 2

_HOW = """A second of WAV from a server on this machine, an engine that does nothing, one process on SQLite for each
side. K: {count} messages lie in the topic, from then until their last result is read. Native: {count} requests with the
URL by {clients} clients at once, from the first until the last job has ended. {rounds} rounds turn by turn, the best of
each."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


def measure(room: Room) -> Measured:
    count, rounds = (24, 1) if room.quick else (_COUNT, _ROUNDS)
    ours, native = [], []
    with broker() as one, _server(room.scratch("audio")) as url:
        for turn in range(rounds):
            native.append(_native(room, f"native{turn}", url, count))
            ours.append(_by_message(room, f"k{turn}", one, url, count))
            room.say(f"native {native[-1]:.1f} jobs/s, K {ours[-1]:.1f} jobs/s")
    return Measured(
        value=round(max(ours) / max(native), 3),
        checks=(Check("every message had its result", True),),
        details=Table(("jobs", "a second"), (("native, by URL", max(native)), ("contract K", max(ours)))),
        notes=(" ".join(_HOW.format(count=count, clients=_CLIENTS, rounds=rounds).split()),),
        reason="each job is also stored as a message, and its result is acknowledged before its offset",
    )


@contextmanager
def _server(folder: Path) -> Iterator[str]:
    write_noise(folder / "note.wav", 1, seed=1)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _native(room: Room, name: str, url: str, count: int) -> float:
    with room.service(name, fetch_allow=url.removeprefix("http://")) as service:
        asyncio.run(_ask(service, url, _WARM_UP))
        wait_for(service, _WARM_UP)
        began = time.monotonic()
        asyncio.run(_ask(service, url, count))
        wait_for(service, _WARM_UP + count)
        return count / (time.monotonic() - began)


async def _ask(service: Service, url: str, count: int) -> None:
    left = iter(range(count))

    async def one_client() -> None:
        async with httpx.AsyncClient(base_url=service.base, timeout=120) as client:
            for _ in left:
                answer = await client.post("/v1/transcriptions", json={"url": f"{url}/note.wav"})
                assert answer.status_code == 202, answer.text

    await asyncio.gather(*(one_client() for _ in range(_CLIENTS)))


def _by_message(room: Room, name: str, one: Broker, url: str, count: int) -> float:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

    topics = [one.make_topic(f"{kind}-{name}") for kind in ("jobs", "results", "letters")]
    settings = dict(zip(("stt_jobs_topic", "stt_results_topic", "stt_dead_letter_topic"), topics, strict=True))
    service = Service(
        room.scratch(name), "worker", profile="stt-worker", queue_url=f"kafka://{one.servers}", stt_group=name,
        stt_queue_max=100, fetch_allow=url.removeprefix("http://"), **settings,
    )  # fmt: skip
    reader = Consumer({"bootstrap.servers": one.servers, "group.id": "none", "log_level": 0})
    reader.assign([TopicPartition(topics[1], 0, OFFSET_BEGINNING)])
    seen: list[bytes | None] = []

    def results(most: int) -> bool:
        seen.extend(message.value() for message in reader.consume(100, 0.2) if message.error() is None)
        return len(seen) >= most

    try:
        service.start()
        _publish(one, topics[0], url, "warm", _WARM_UP)
        eventually(lambda: results(_WARM_UP), 180, str(service.log))
        began = time.monotonic()
        _publish(one, topics[0], url, "job", count)
        eventually(lambda: results(_WARM_UP + count), 600, str(service.log))
        return count / (time.monotonic() - began)
    finally:
        reader.close()
        service.stop()


def _publish(one: Broker, topic: str, url: str, name: str, count: int) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": one.servers, "log_level": 0})
    for number in range(count):
        value = jobs.value(jobId=f"{name}-{number}", audioUrl=f"{url}/note.wav", languageHint=None)
        producer.produce(topic, value, key=str(number))
    assert producer.flush(60) == 0
