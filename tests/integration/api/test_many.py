"""What thousands of subscribers and millions of jobs must not cost: counted in questions to the database."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dictograph.job import JobStatus, Options, Source, SourceKind, StoredAudio
from dictograph.service import job_counts
from dictograph.service.job_counts import JobCounter
from dictograph.service.queue_estimate import QueueEstimates
from dictograph.service.streams import event_stream
from dictograph.service.streams.event_stream import EventStreams, StreamEvent, StreamItem
from dictograph.store.database import Database
from dictograph.store.jobs import control
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.jobs.rows import find
from dictograph.store.tail import Tail


class Counted:
    """A database that counts what is read from it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.reads = 0

    async def read(self, query: Any) -> Any:
        self.reads += 1
        return await self._database.read(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Any:
    file = tmp_path / "dictograph.db"
    file.write_bytes(migrated.read_bytes())
    one = Database.open(f"sqlite:///{file}")
    yield one
    one.close_now()


def create(database: Database, *names: str) -> None:
    for name in names:
        audio = StoredAudio(f"{name}/0-audio", "0" * 64, 1)
        new = NewJob(name, "local", "a.wav", Source(SourceKind.UPLOAD), Options(), audio=audio)
        database.write_now(partial(create_job, new=new))


def test_a_hundred_quiet_subscribers_read_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "QUEUE_INTERVAL_S", 0.02)
    monkeypatch.setattr(event_stream, "QUIET_S", 0.04)
    create(database, "a", "b")

    async def run() -> None:
        counted: Any = Counted(database)
        tail = Tail(database, poll_interval=60)
        await tail.start()
        following = EventStreams(counted, tail, QueueEstimates(counted), asyncio.Event())
        async with AsyncExitStack() as stack:
            streams = [following.follow("local", name) for name in ("a", "b") for _ in range(50)]
            for stream in streams:
                stack.push_async_callback(stream.aclose)
            # Each hears of the creation, of its place in the queue, and then signs of life.
            first = await asyncio.gather(*(_take(stream, 2) for stream in streams))
            assert [kinds(told) for told in first] == [["created", "queue"]] * 100
            counted.reads = 0
            alive = await asyncio.gather(*(_take(stream, 5) for stream in streams))
            assert alive == [[None] * 5] * 100
            assert counted.reads < 20, "the queue is looked at now and then, for all together"
            counted.reads = 0
            await database.write(lambda conn: control.cancel(conn, None, "a"))
            ends = await asyncio.gather(*(_take(stream, 1) for stream in streams[:50]))
            assert [kinds([one for one in told if one]) for told in ends] == [["cancelled"]] * 50
            assert counted.reads < 20, "the same page is read once for all who want it together"
        await tail.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


async def _take(stream: Any, count: int) -> list[StreamItem]:
    """So many things that a stream tells; signs of life only where nothing else is expected."""
    told: list[StreamItem] = []
    async for one in stream:
        if one is None and count < 5:
            continue
        told.append(one)
        if len(told) == count:
            break
    return told


def kinds(told: list[StreamItem]) -> list[str]:
    return [one.type for one in told if isinstance(one, StreamEvent)]


def test_a_place_in_the_queue_is_told_of_new_jobs_at_once(database: Database) -> None:
    async def run() -> None:
        queue_estimates = QueueEstimates(database)
        for number in range(1, 4):
            create(database, f"job-{number}")
            job = await database.read(partial(find, owner=None, job_id=f"job-{number}"))
            place = await queue_estimates._position(job.id)
            assert place == number

    asyncio.run(run())


def test_counting_a_large_table_is_not_done_again_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_counts, "_NO_TIME_S", -1.0)  # as if counting took long …
    monkeypatch.setattr(job_counts, "_REST", 1e9)  # … and so the answer stays good for long
    create(database, "a", "b", "c")

    async def run() -> None:
        board = JobCounter(database)
        assert (await board.counts(None))[JobStatus.PENDING] == 3
        await database.write(lambda conn: control.cancel(conn, None, "a"))
        now = await board.counts(None)
        assert now[JobStatus.PENDING] == 2, "what waits is always counted"
        assert now[JobStatus.CANCELLED] == 0, "what has ended may be a little older"
        assert (await board.counts("local"))[JobStatus.CANCELLED] == 1, "another owner's was never counted"

    asyncio.run(run())
