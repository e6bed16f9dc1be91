"""A transcript that is followed while it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from dictograph.errors import NotFound, ServerBusy, UnexpectedError
from dictograph.service.streams.transcript_stream import TranscriptStream, TranscriptUpdate
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish, progress
from dictograph.store.migrate import upgrade
from dictograph.store.tail import Tail
from tests.integration.store.store_driver import StoreDriver


@pytest.fixture
def bench(tmp_path: Path) -> StoreDriver:
    url = f"sqlite:///{tmp_path / 'dictograph.db'}"
    upgrade(url)
    return StoreDriver(Database.open(url))


def followed(bench: StoreDriver, work: Callable[[TranscriptStream, asyncio.Event], Awaitable[None]]) -> None:
    async def run() -> None:
        tail, stopping = Tail(bench.database), asyncio.Event()
        await tail.start()
        try:
            await work(TranscriptStream(bench.database, tail, stopping), stopping)
        finally:
            await tail.stop()
            await bench.database.close()

    asyncio.run(run())


def texts(growth: TranscriptUpdate) -> list[str]:
    return [segment.text for segment in growth.segments]


def test_windows_come_once_each_in_order_to_the_end(bench: StoreDriver) -> None:
    lease = bench.running()
    bench.plan(lease, 40)
    bench.commit(lease, *range(20))

    async def work(growing: TranscriptStream, stopping: asyncio.Event) -> None:
        del stopping
        heard: list[str] = []
        async with aclosing(growing.follow("local", lease.job_id, 0.1)) as growth:
            async for now in growth:
                heard += texts(now)
                if not now.segments and len(heard) == 20:
                    bench.commit(lease, *range(20, 40))
                    bench.finish_plan(lease)
                elif len(heard) == 40 and not now.ended:
                    bench.write(finish.complete, lease)
        assert heard == [f"text {number}" for number in range(40)]

    followed(bench, work)


@pytest.mark.parametrize(
    ("what", "error"), [("restarted", UnexpectedError), ("deleted", NotFound), ("stopping", ServerBusy)]
)
def test_what_cannot_go_on_says_so(bench: StoreDriver, what: str, error: type[Exception]) -> None:
    lease = bench.running()
    bench.plan(lease, 2)
    bench.commit(lease, 0)

    async def work(growing: TranscriptStream, stopping: asyncio.Event) -> None:
        async with aclosing(growing.follow("local", lease.job_id, 30)) as growth:
            assert texts(await anext(growth)) == ["text 0"]
            match what:
                case "restarted":
                    bench.write(progress.restart_windows, lease, "audio_changed", "other samples")
                case "deleted":
                    bench.write(control.remove, None, lease.job_id)
                case _:
                    stopping.set()
            with pytest.raises(error):
                await anext(growth)

    followed(bench, work)


def test_nobody_follows_what_is_somebody_elses(bench: StoreDriver) -> None:
    job = bench.create(owner="ann")

    async def work(growing: TranscriptStream, stopping: asyncio.Event) -> None:
        del stopping
        with pytest.raises(NotFound):
            await anext(growing.follow("eve", job.id, 1))

    followed(bench, work)
