"""Engines that crash, hang, grow or lie: each ends as a named error, and says so to a person."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from dictograph.engine.client import MAX_WINDOWS, EngineChild
from dictograph.engine.protocol import EngineSpec, Window, WindowOptions, WindowResult
from dictograph.errors import (
    DictographError,
    EngineCrashed,
    EngineFailed,
    EngineOutOfMemory,
    EngineTimeout,
    ModelOutOfReach,
    ModelUnavailable,
    UnsupportedByEngine,
)
from tests.processes import children

LONG = 30.0  # generous: only reached when something is broken
OPTIONS = WindowOptions(language="en")
BEHAVE = WindowOptions(language="en", prompt="behave")
WINDOWS = [Window(np.arange(1600, dtype=np.int16)), Window(np.zeros(10, np.int16))]


def _spec(way: str) -> EngineSpec:
    return EngineSpec("bad", "tests.engines.bad:load", model=way)


async def _trouble(way: str, timeout: float = LONG, memory: int = 0) -> tuple[DictographError, bool]:
    """The error that a bad engine ends in, and whether its process works on after it."""
    child = await EngineChild.start(_spec(way), memory, LONG)
    try:
        with pytest.raises(DictographError) as caught:
            await child.transcribe(WINDOWS, OPTIONS, timeout)
        if child.alive:
            assert await child.transcribe(WINDOWS, BEHAVE, LONG) == [WindowResult(), WindowResult()]
        return caught.value, child.alive
    finally:
        await child.kill()


@pytest.mark.parametrize(
    ("way", "error", "says", "lives"),
    [
        ("crash", EngineCrashed, "SIGSEGV", False),
        ("exit", EngineCrashed, "exit code 3: the library gives up", False),
        ("raise", EngineFailed, "a tensor has the wrong shape", True),
        ("no-memory", EngineOutOfMemory, "ran out of memory", False),
        ("refuse", UnsupportedByEngine, "Latin only", True),
        ("too-few", EngineFailed, "1 answers for 2 windows", True),
        ("nonsense", EngineFailed, "cannot be understood", True),
        ("mistyped", EngineFailed, "segments.0.text: Input should be a valid string", True),
        ("unmeasured", EngineFailed, "Out of range float values", True),
    ],
)
def test_every_trouble_has_a_name(way: str, error: type[DictographError], says: str, lives: bool) -> None:
    raised, alive = asyncio.run(_trouble(way))
    assert type(raised) is error
    assert says in raised.message
    assert alive is lives


def test_one_that_hangs_is_ended() -> None:
    raised, alive = asyncio.run(_trouble("hang", timeout=0.5))
    assert type(raised) is EngineTimeout
    assert "DICTOGRAPH_ENGINE_TIMEOUT" in raised.message
    assert not alive


def test_one_that_grows_is_ended() -> None:
    raised, alive = asyncio.run(_trouble("grow", memory=300 * 2**20))
    assert type(raised) is EngineOutOfMemory
    assert "300 MiB" in raised.message
    assert not alive


@pytest.mark.parametrize(
    ("spec", "timeout", "error"),
    [
        (_spec("crash-at-load"), LONG, EngineCrashed),
        (_spec("hang-at-load"), 1.0, EngineTimeout),
        (_spec("no-weights"), LONG, ModelUnavailable),
        (EngineSpec("none", "tests.engines.nowhere:load"), LONG, ModelUnavailable),
        (EngineSpec("none", "tests.engines.nowhere:load", device="cuda"), LONG, ModelOutOfReach),
        (EngineSpec("none", "tests.engines.bad:nothing"), LONG, ModelUnavailable),
        (EngineSpec("none", "tests.engines.bad"), LONG, ModelUnavailable),
        (EngineSpec("whisper", "dictograph.engine.whisper.engine:load", model_path="/nowhere"), LONG, ModelUnavailable),
    ],
)
def test_one_that_cannot_be_loaded_leaves_no_process(
    spec: EngineSpec, timeout: float, error: type[DictographError]
) -> None:
    async def start() -> None:
        with pytest.raises(error):
            await EngineChild.start(spec, 0, timeout)
        assert children() == []

    asyncio.run(start())


def test_what_native_code_prints_breaks_nothing() -> None:
    async def chat() -> list[WindowResult]:
        child = await EngineChild.start(_spec("chatter"), 0, LONG)
        try:
            await child.ping(LONG)
            assert await child.detect(WINDOWS, LONG) == [{"en": 1.0}, {"en": 1.0}]
            return await child.transcribe(WINDOWS, OPTIONS, LONG)
        finally:
            await child.close()
            assert not child.alive

    assert asyncio.run(chat()) == [WindowResult(), WindowResult()]


def test_times_are_kept_within_the_window() -> None:
    async def ask() -> list[WindowResult]:
        child = await EngineChild.start(_spec("beyond"), 0, LONG)
        try:
            return await child.transcribe(WINDOWS, OPTIONS, LONG)
        finally:
            await child.kill()

    (segment,), (_short,) = (result.segments for result in asyncio.run(ask()))
    assert (segment.start, segment.end) == (0.0, 0.1)
    assert [(word.start, word.end) for word in segment.words] == [(0.0, 0.05), (0.08, 0.08), (0.05, 0.1)]


def test_a_request_over_the_wires_limit_is_refused_before_it_is_sent() -> None:
    async def overload() -> None:
        child = await EngineChild.start(_spec("chatter"), 0, LONG)
        try:
            with pytest.raises(ValueError, match="more than one request"):
                await child.transcribe(WINDOWS * MAX_WINDOWS, OPTIONS, LONG)
            assert child.alive
        finally:
            await child.kill()

    asyncio.run(overload())
