"""Contract K's jobs from message to result, compared with native jobs of the same URLs."""

from __future__ import annotations

import asyncio
import time

import httpx

from bench.figure import AT_LEAST, Check, Goal, Measured, Table
from bench.figures.jobs_per_second import wait_for
from bench.room import Room
from tests.audio_files import write_noise
from tests.kafka import broker
from tests.service import Service, eventually
from tests.stt_field import Field, value
from tests.web_folder import served

NAME = "stt_jobs"
TITLE = "Jobs per second of contract K on SQLite, message to result ÷ native jobs of the same URLs"
GOAL = Goal(AT_LEAST, 0.8)

_COUNT, _WARM_UP, _CLIENTS, _ROUNDS = 200, 8, 8, 2

_HOW = """A second of WAV from a server on this machine, an engine that does nothing, one process on SQLite for each
side. K: {count} messages lie in the topic, from then until their last result is read. Native: {count} requests with the
URL by {clients} clients at once, from the first until the last job has ended. {rounds} rounds turn by turn, the best of
each."""


def measure(room: Room) -> Measured:
    count, rounds = (24, 1) if room.quick else (_COUNT, _ROUNDS)
    ours, native = [], []
    audio = room.scratch("audio")
    write_noise(audio / "note.wav", 1, seed=1)
    letters = 0
    with broker() as one, served(audio) as url:
        for turn in range(rounds):
            native.append(_native(room, f"native{turn}", url, count))
            field = Field(one)
            ours.append(_by_message(room, f"k{turn}", field, url, count))
            letters += len(field.read(field.letters))
            room.say(f"native {native[-1]:.1f} jobs/s, K {ours[-1]:.1f} jobs/s")
    return Measured(
        value=round(max(ours) / max(native), 3),
        checks=(Check("no message became a dead letter", letters == 0),),
        details=Table(("jobs", "a second"), (("native, by URL", max(native)), ("contract K", max(ours)))),
        notes=(" ".join(_HOW.format(count=count, clients=_CLIENTS, rounds=rounds).split()),),
        reason="each job is also stored as a message, and its result is acknowledged before its offset",
    )


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


def _by_message(room: Room, name: str, field: Field, url: str, count: int) -> float:
    service = Service(room.scratch(name), "worker", stt_queue_max=100, **field.settings(url))
    try:
        service.start()
        _publish(field, url, "warm", _WARM_UP)
        eventually(lambda: len(field.read(field.results)) >= _WARM_UP, 180, str(service.log))
        began = time.monotonic()
        _publish(field, url, "job", count)
        eventually(lambda: len(field.read(field.results)) >= _WARM_UP + count, 600, str(service.log))
        return count / (time.monotonic() - began)
    finally:
        service.stop()


def _publish(field: Field, url: str, name: str, count: int) -> None:
    field.put(*(value(jobId=f"{name}-{number}", audioUrl=f"{url}/note.wav") for number in range(count)))
