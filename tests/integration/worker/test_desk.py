"""A desk with a real engine process behind it, the digest engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dictograph.audio.pcm import MissingSamples
from dictograph.engine.protocol import EngineSpec, Window, WindowOptions
from dictograph.errors import StorageUnavailable
from dictograph.worker.desk import Desk, EngineLimits
from dictograph.worker.lanes import Item, Lane
from tests.integration.worker.bench import behave

SPEC = EngineSpec("digest", "tests.engines.digest:DigestEngine", "digest")
ENGLISH = WindowOptions(language="en")


@asynccontextmanager
async def open_desk(limits: EngineLimits | None = None) -> AsyncIterator[tuple[Desk, asyncio.Task[None]]]:
    desk = Desk(SPEC, limits or EngineLimits())
    running = asyncio.create_task(desk.run())
    try:
        async with asyncio.timeout(30):
            yield desk, running
    finally:
        running.cancel()
        await asyncio.wait({running})


async def samples() -> Window:
    return Window(np.zeros(16_000, np.int16))


def put(desk: Desk, lane: Lane, read: Callable[[], Awaitable[Window]] = samples) -> asyncio.Future[Any]:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    desk.lanes.put(lane, Item(0, 1.0, ENGLISH, read, done))
    return done


def test_an_unused_engine_is_unloaded_and_stays_so_until_there_is_work(folder: Path) -> None:
    async def test() -> None:
        async with open_desk(EngineLimits(idle=0.3)) as (desk, _):
            await desk.capabilities()
            while desk.loaded:
                await asyncio.sleep(0.01)
            # Nothing is there to be waited for: this is several times as long as unloading waits and loading takes.
            await asyncio.sleep(1.5)
            assert not desk.loaded
            lane = desk.lanes.open("a", "local", 0)
            assert (await put(desk, lane)).segments

    asyncio.run(test())


def test_a_job_cancelled_while_its_samples_are_read_does_not_occupy_the_engine(folder: Path) -> None:
    reading, cancelled = asyncio.Event(), asyncio.Event()

    async def read_slowly() -> Window:
        reading.set()
        await cancelled.wait()
        return await samples()

    async def test() -> None:
        async with open_desk() as (desk, _):
            await desk.capabilities()
            lane, other = desk.lanes.open("a", "local", 0), desk.lanes.open("b", "local", 0)
            put(desk, lane, read_slowly)
            await reading.wait()
            desk.close_lane(lane)
            cancelled.set()
            assert (await put(desk, other)).segments
            assert len((folder / "digest.log").read_text().split()) == 1, "a window that nobody waits for was done"

    asyncio.run(test())


def test_samples_that_are_missing_end_their_job_and_no_other(folder: Path) -> None:
    async def read_too_far() -> Window:
        raise MissingSamples("audio.pcm ends before sample 16000")

    async def test() -> None:
        async with open_desk() as (desk, running):
            lost = put(desk, desk.lanes.open("a", "local", 0), read_too_far)
            with pytest.raises(StorageUnavailable, match="ends before"):
                await lost
            assert (await put(desk, desk.lanes.open("b", "local", 0))).segments
            assert not running.done()

    asyncio.run(test())


@pytest.mark.parametrize("most", [0, 10_000])
def test_an_engine_with_an_impossible_batch_size_is_fed_all_the_same(folder: Path, most: int) -> None:
    behave(folder, max_batch=most)

    async def test() -> None:
        async with open_desk() as (desk, running):
            lane = desk.lanes.open("a", "local", 0)
            assert (await put(desk, lane)).segments
            desk.lanes.let_go(lane)
            results = [put(desk, lane) for _ in range(100)]
            for result in results:
                assert (await result).segments
                desk.lanes.let_go(lane)
            assert not running.done()

    asyncio.run(test())


def test_a_newcomer_does_not_wait_for_windows_that_are_only_prepared(folder: Path) -> None:
    behave(folder, prepare=0.4, max_batch=4)
    ended: list[str] = []

    async def test() -> None:
        async with open_desk() as (desk, _):
            long = desk.lanes.open("long", "local", 0)
            assert (await put(desk, long)).segments
            desk.lanes.let_go(long)
            windows = [put(desk, long) for _ in range(4)]
            windows[0].add_done_callback(lambda _: ended.append("long"))
            while not long.held:
                await asyncio.sleep(0.01)
            note = put(desk, desk.lanes.open("note", "local", 0))
            note.add_done_callback(lambda _: ended.append("note"))
            for window in windows:
                assert (await window).segments
                desk.lanes.let_go(long)

    asyncio.run(test())
    assert ended == ["note", "long"]
    assert len((folder / "digest.log").read_text().split()) == 6, "a window was transcribed twice"
