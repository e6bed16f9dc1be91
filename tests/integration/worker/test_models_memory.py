"""Several models under one budget, in real engine processes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dictograph.child.memory_budget import MemoryBudget
from dictograph.engine.protocol import EngineSpec
from dictograph.errors import ModelTooLarge
from dictograph.job import JobStatus, Options
from dictograph.service.request import JobRequest
from dictograph.worker.batching.engine_dispatcher import EngineDispatcher, EngineLimits
from dictograph.worker.engines import Engines
from tests.audio_files import write_noise
from tests.integration.worker.batching.test_engine_dispatcher import put, taking
from tests.integration.worker.worker_driver import application, behave

_MIB = 2**20

#: Each is expected to take some 550 MiB: see `engine/footprint.py`.
_ONE, _TWO = 900 * _MIB, 1300 * _MIB

#: It is expected to need more than this, and does take about 270 MiB: two never fit.
_LARGE, _TIGHT = 400 * _MIB, 400 * _MIB


def spec(folder: Path, name: str, weights: int = 100 * _MIB) -> EngineSpec:
    """A model of so many bytes."""
    path = folder / name
    path.mkdir(exist_ok=True)
    with (path / "model.bin").open("wb") as file:
        file.truncate(weights)
    return EngineSpec("large", "tests.engines.memory_heavy:Large", name, str(path), batch_size=1)


@asynccontextmanager
async def opened(total: int, turn: float = 0.3) -> AsyncIterator[Engines]:
    engines = Engines(EngineLimits(), budget=MemoryBudget(total, turn, loads=0))
    running = asyncio.create_task(engines.run())
    try:
        async with asyncio.timeout(240):
            yield engines
    finally:
        running.cancel()
        await asyncio.wait({running})
        await engines.close()


async def transcribe(dispatcher: EngineDispatcher, job: str, windows: int = 1, mib: int = 0) -> None:
    """A job of so many windows."""
    lane = dispatcher.queue.open(job, "local", 0)
    try:
        await dispatcher.capabilities()
        for _ in range(windows):
            await put(dispatcher, lane, taking(mib))
            dispatcher.queue.let_go(lane)
    finally:
        dispatcher.close_job(lane)


def told(folder: Path) -> list[str]:
    return (folder / "large.log").read_text().splitlines()


def loads(folder: Path) -> list[str]:
    return [line.removeprefix("load ") for line in told(folder) if line.startswith("load")]


def test_the_model_unused_for_longest_is_unloaded_for_another(folder: Path) -> None:
    async def test() -> None:
        async with opened(_TWO) as engines:
            a, b, c = (engines.dispatcher(spec(folder, name)) for name in "abc")
            for dispatcher in (a, b, a, c):
                await transcribe(dispatcher, "job", 0)
            while b.loaded:
                await asyncio.sleep(0.01)
            assert (a.loaded, b.loaded, c.loaded) == (True, False, True)
            assert loads(folder) == ["a", "b", "c"]
            assert engines.budget.used <= _TWO

    asyncio.run(test())


def test_one_at_work_is_not_interrupted_and_jobs_of_two_models_take_turns(folder: Path) -> None:
    async def test() -> None:
        async with opened(_TIGHT) as engines:
            a, b = (engines.dispatcher(spec(folder, name, _LARGE)) for name in "ab")
            await asyncio.gather(transcribe(a, "one", 5), transcribe(b, "two", 5))
            lines = told(folder)
            assert lines.count("end a") == lines.count("end b") == 5
            for first, second in itertools.pairwise(lines):
                if first.startswith("begin"):
                    assert second == first.replace("begin", "end")  # each batch is done where it was begun
            order = loads(folder)
            assert len(order) >= 3  # neither waited until the other had done all
            assert len(order) <= 10
            assert all(first != second for first, second in itertools.pairwise(order))

    asyncio.run(test())


def test_a_model_that_can_never_fit_is_named_and_holds_nobody_up(folder: Path) -> None:
    async def test() -> None:
        async with opened(_ONE) as engines:
            huge, a = engines.dispatcher(spec(folder, "huge", 2**31)), engines.dispatcher(spec(folder, "a"))
            with pytest.raises(ModelTooLarge, match=r"engine large with the model huge .*DICTOGRAPH_MODELS_MEMORY"):
                await huge.capabilities()
            assert "huge" in (huge.trouble or "")
            await transcribe(a, "job")

    asyncio.run(test())


def test_a_job_that_is_cancelled_while_its_model_waits_leaves_the_other_alone(folder: Path) -> None:
    async def test() -> None:
        async with opened(_ONE, turn=60) as engines:
            a, b = (engines.dispatcher(spec(folder, name)) for name in "ab")
            working = asyncio.create_task(transcribe(a, "one", 8))
            while not a.loaded:
                await asyncio.sleep(0.01)
            waiting = asyncio.create_task(transcribe(b, "two"))
            while b.describe()["state"] != "waiting for memory":
                await asyncio.sleep(0.01)
            assert engines.budget.describe()["waiting"] == 1
            waiting.cancel()
            await asyncio.wait({waiting})
            await working
            assert engines.budget.describe()["waiting"] == 0
            assert loads(folder) == ["a"]
            assert a.loaded

    asyncio.run(test())


def test_what_a_model_was_seen_to_take_counts_from_then_on(folder: Path) -> None:
    async def test() -> None:
        async with opened(_TWO) as engines:
            a, b = (engines.dispatcher(spec(folder, name)) for name in "ab")
            expected = await _loaded(engines, a)
            await transcribe(a, "one", 4)
            assert engines.budget.used < expected - 100 * _MIB  # it takes less, as its batches have shown
            await _loaded(engines, b)
            assert a.loaded
            await transcribe(b, "two", 3, mib=400)  # and the other takes more: together too much
            while a.describe()["state"] == "loaded":
                await asyncio.sleep(0.01)
            assert b.loaded

    asyncio.run(test())


async def _loaded(engines: Engines, dispatcher: EngineDispatcher) -> int:
    await dispatcher.capabilities()
    return engines.budget.used


def test_jobs_that_wait_for_memory_are_charged_nothing(folder: Path) -> None:
    async def test() -> None:
        behave(folder, delay=0.3)
        audio = str(write_noise(folder / "a.wav", 8, 1))
        engines = "digest=tests.engines.digest:DigestEngine,other=tests.engines.digest:DigestEngine"
        async with application(folder, extra_engines=engines, models_memory="400MiB") as opened:
            jobs = [
                (await opened.services.intake.path(order_for(engine), audio)).job for engine in ("digest", "other") * 3
            ]
            for job in jobs:
                now = await opened.services.jobs.wait_until_ended(None, job.id, 60)
                assert (now.status, now.failures, now.attempt) == (JobStatus.COMPLETED, 0, 1)
            assert opened.worker is not None
            state = opened.worker.state()
            assert state["models_memory"]["budget"] == 400 * _MIB
            assert 0 < state["models_memory"]["used"] <= 400 * _MIB
            assert sorted(one["state"] for one in state["engines"]) == ["loaded", "not loaded"]

    asyncio.run(test())


def order_for(engine: str) -> JobRequest:
    return JobRequest(Options.model_validate({"vad_filter": False, "engine": engine}))
