"""A desk with a real engine process behind it, the digest engine."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dictograph.audio.pcm import MissingSamples
from dictograph.engine.protocol import EngineSpec, Window, WindowOptions
from dictograph.errors import EngineOutOfMemory, StorageUnavailable
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher, EngineLimits
from dictograph.worker.batching.job_queue import JobQueue, WindowRequest
from tests.integration.worker.worker_driver import behave
from tests.processes import children

#: Little enough for four windows of 110 MiB to be too many, and two not: the engine itself has some 40 to 90.
SCANT = EngineLimits(memory=400 * 2**20)
HUNGRY = EngineSpec("hungry", "tests.engines.memory_heavy:MemoryHeavyEngine", "hungry")
MODEST = EngineSpec("modest", "tests.engines.memory_heavy:Modest", "modest")
SPEC = EngineSpec("digest", "tests.engines.digest:DigestEngine", "digest")
ENGLISH = WindowOptions(language="en")


@asynccontextmanager
async def open_desk(
    limits: EngineLimits | None = None, spec: EngineSpec = SPEC
) -> AsyncIterator[tuple[EngineDispatcher, asyncio.Task[None]]]:
    desk = EngineDispatcher(spec, limits or EngineLimits())
    running = asyncio.create_task(desk.run())
    try:
        async with asyncio.timeout(60):
            yield desk, running
    finally:
        running.cancel()
        await asyncio.wait({running})


async def samples() -> Window:
    return Window(np.zeros(16_000, np.int16))


def taking(mib: int) -> Callable[[], Awaitable[Window]]:
    """Reads a window for which the hungry engine takes so much memory."""

    async def read() -> Window:
        return Window(np.full(16_000, mib, np.int16))

    return read


async def ends(desk: EngineDispatcher, lane: JobQueue, *mib: int) -> list[str]:
    """What becomes of windows that take so much memory each, brought together."""
    results, told = [put(desk, lane, taking(each)) for each in mib], []
    for result in results:
        try:
            await result
            told.append("done")
        except EngineOutOfMemory as error:
            told.append(error.code)
        desk.queue.let_go(lane)
    return told


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("dictograph")]
    return [record.message for record in ours if record.levelname == "WARNING"]


def begun(folder: Path) -> list[int]:
    """The sizes of the batches that the hungry engine began, those that failed too."""
    return [int(size) for size in (folder / "hungry.log").read_text().split()]


def put(desk: EngineDispatcher, lane: JobQueue, read: Callable[[], Awaitable[Window]] = samples) -> asyncio.Future[Any]:
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    desk.queue.put(lane, WindowRequest(0, 1.0, ENGLISH, read, done))
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
            lane = desk.queue.open("a", "local", 0)
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
            lane, other = desk.queue.open("a", "local", 0), desk.queue.open("b", "local", 0)
            put(desk, lane, read_slowly)
            await reading.wait()
            desk.close_job(lane)
            cancelled.set()
            assert (await put(desk, other)).segments
            assert len((folder / "digest.log").read_text().split()) == 1, "a window that nobody waits for was done"

    asyncio.run(test())


def test_samples_that_are_missing_end_their_job_and_no_other(folder: Path) -> None:
    async def read_too_far() -> Window:
        raise MissingSamples("audio.pcm ends before sample 16000")

    async def test() -> None:
        async with open_desk() as (desk, running):
            lost = put(desk, desk.queue.open("a", "local", 0), read_too_far)
            with pytest.raises(StorageUnavailable, match="ends before"):
                await lost
            assert (await put(desk, desk.queue.open("b", "local", 0))).segments
            assert not running.done()

    asyncio.run(test())


@pytest.mark.parametrize("most", [0, 10_000])
def test_an_engine_with_an_impossible_batch_size_is_fed_all_the_same(folder: Path, most: int) -> None:
    behave(folder, max_batch=most)

    async def test() -> None:
        async with open_desk() as (desk, running):
            lane = desk.queue.open("a", "local", 0)
            assert (await put(desk, lane)).segments
            desk.queue.let_go(lane)
            results = [put(desk, lane) for _ in range(100)]
            for result in results:
                assert (await result).segments
                desk.queue.let_go(lane)
            assert not running.done()

    asyncio.run(test())


@pytest.mark.parametrize("size", [4, 1])
def test_a_newcomer_does_not_wait_for_windows_that_are_only_prepared(folder: Path, size: int) -> None:
    behave(folder, prepare=1.6 / size, max_batch=4)
    ended: list[str] = []

    async def test() -> None:
        async with open_desk() as (desk, _):
            long = desk.queue.open("long", "local", 0)
            assert (await put(desk, long)).segments
            desk.queue.let_go(long)
            windows = [put(desk, long) for _ in range(size)]
            windows[0].add_done_callback(lambda _: ended.append("long"))
            while not long.held:
                await asyncio.sleep(0.01)
            note = put(desk, desk.queue.open("note", "local", 0))
            note.add_done_callback(lambda _: ended.append("note"))
            for window in windows:
                assert (await window).segments
                desk.queue.let_go(long)

    asyncio.run(test())
    assert ended == ["note", "long"]
    assert len((folder / "digest.log").read_text().split()) == size + 2, "a window was transcribed twice"


def test_one_that_is_unloading_when_the_service_ends_leaves_no_process(folder: Path) -> None:
    async def test() -> None:
        async with open_desk(EngineLimits(idle=0.2)) as (desk, _):
            await desk.capabilities()
            os.kill(desk.describe()["pid"], signal.SIGSTOP)  # it does not go by itself
            while desk.loaded:
                await asyncio.sleep(0.01)
        assert children() == []

    asyncio.run(test())


def test_the_batch_size_of_the_settings_holds_for_engines_that_do_not_heed_it(folder: Path) -> None:
    async def test() -> None:
        async with open_desk(spec=replace(HUNGRY, batch_size=2)) as (desk, _):
            lane = desk.queue.open("a", "local", 0)
            assert await ends(desk, lane, 1) == ["done"]
            assert await ends(desk, lane, 1, 1, 1, 1) == ["done"] * 4

    asyncio.run(test())
    assert begun(folder) == [1, 2, 2]


def test_a_batch_that_outgrows_the_memory_is_halved_and_so_are_those_after_it(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with open_desk(SCANT, HUNGRY) as (desk, _):
            lane = desk.queue.open("a", "local", 0)
            assert await ends(desk, lane, 110) == ["done"]
            assert await ends(desk, lane, *[110] * 6) == ["done"] * 6

    with caplog.at_level("INFO"):
        asyncio.run(test())
    assert begun(folder) == [1, 4, 2, 2, 2]
    assert caplog.text.count("loaded in") == 2
    (warning,) = warnings(caplog)
    assert "From now on it gets 2 at once" in warning
    assert "DICTOGRAPH_ENGINE_MEMORY" in warning
    assert "DICTOGRAPH_BATCH_SIZE=2" in warning


def test_a_window_that_takes_too_much_fails_alone_and_others_are_done_together_again(folder: Path) -> None:
    async def test() -> None:
        async with open_desk(SCANT, HUNGRY) as (desk, _):
            lane = desk.queue.open("a", "local", 0)
            assert await ends(desk, lane, 1) == ["done"]
            assert await ends(desk, lane, 1, 1, 600, 1) == ["done", "done", "engine_out_of_memory", "done"]
            assert await ends(desk, lane, 1, 1, 1, 1) == ["done"] * 4

    asyncio.run(test())
    assert begun(folder) == [1, 4, 2, 2, 1, 1, 4]


def test_an_engine_that_was_unloaded_is_given_whole_batches_again(folder: Path) -> None:
    async def test() -> None:
        async with open_desk(EngineLimits(SCANT.memory, idle=0.5), HUNGRY) as (desk, _):
            for most in (110, 1):
                lane = desk.queue.open("a", "local", 0)
                assert await ends(desk, lane, 1) == ["done"]
                assert await ends(desk, lane, *[most] * 4) == ["done"] * 4
                desk.close_job(lane)
                while desk.loaded:
                    await asyncio.sleep(0.01)

    asyncio.run(test())
    assert begun(folder) == [1, 4, 2, 2, 1, 4]


def test_an_engine_that_halved_a_batch_itself_is_given_no_larger_ones(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with open_desk(spec=MODEST) as (desk, _):
            lane = desk.queue.open("a", "local", 0)
            assert await ends(desk, lane, 100) == ["done"]
            assert await ends(desk, lane, *[100] * 8) == ["done"] * 8
            assert await ends(desk, lane, *[100] * 8) == ["done"] * 8

    asyncio.run(test())
    assert begun(folder) == [1, 8, 4, 4, 4, 4]
    (warning,) = warnings(caplog)
    assert "DICTOGRAPH_BATCH_SIZE=4" in warning
