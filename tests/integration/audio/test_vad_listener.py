"""The parent's side of the voice detector, with its real process: crashes, turns, errors."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from dictograph.audio import vad_client as listener_module
from dictograph.audio.silero import Silero, model_file
from dictograph.audio.vad import MAX_BLOCKS, VadState
from dictograph.audio.vad_client import VadClient, voice_detector
from dictograph.child.process import ChildSpec
from dictograph.errors import DecodeError, ListenerFailed
from tests.voices import recording


@pytest.fixture(scope="module")
def pcm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 66 s of speech, a bit more than one request takes."""
    path = tmp_path_factory.mktemp("pcm") / "audio.pcm"
    path.write_bytes(np.tile(recording(), 6).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def expected(pcm: Path) -> NDArray[np.float32]:
    samples = np.fromfile(pcm, "<i2")
    return Silero(model_file()).listen(samples, VadState.fresh())[0]


@asynccontextmanager
async def started(listener: VadClient) -> AsyncIterator[VadClient]:
    await listener.start()
    try:
        yield listener
    finally:
        await listener.close()


def run(test: Callable[[VadClient], Awaitable[None]], listener: VadClient | None = None) -> None:
    async def whole() -> None:
        async with started(listener or VadClient()) as running:
            await test(running)

    asyncio.run(whole())


def pid(listener: VadClient) -> int:
    assert listener._child is not None
    return listener._child.pid


def test_any_number_of_blocks_may_be_asked_for(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def test(listener: VadClient) -> None:
        assert len(expected) > MAX_BLOCKS
        probabilities, _ = await listener.probabilities(pcm, 0, len(expected), None)
        assert probabilities.tobytes() == expected.tobytes()
        none, _ = await listener.probabilities(pcm, 0, 0, None)
        assert none.shape == (0,)

    run(test)


def test_jobs_take_turns_without_disturbing_each_other(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def job(listener: VadClient, step: int) -> bytes:
        state, heard = None, b""
        for first in range(0, 500, step):
            part, state = await listener.probabilities(pcm, first, min(step, 500 - first), state)
            heard += part.tobytes()
        return heard

    async def test(listener: VadClient) -> None:
        answers = await asyncio.gather(*[job(listener, step) for step in (500, 333, 100, 32)])
        assert set(answers) == {expected[:500].tobytes()}

    run(test)


def test_a_process_that_died_between_requests_is_replaced(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def test(listener: VadClient) -> None:
        first, state = await listener.probabilities(pcm, 0, 100, None)
        before = pid(listener)
        os.kill(before, signal.SIGKILL)
        second, _ = await listener.probabilities(pcm, 100, 100, state)
        assert first.tobytes() + second.tobytes() == expected[:200].tobytes()
        assert pid(listener) != before

    run(test)


def test_a_process_that_dies_during_a_request_is_replaced(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def test(listener: VadClient) -> None:
        await listener.probabilities(pcm, 0, 1, None)
        before = psutil.Process(pid(listener))
        before.suspend()
        asked = asyncio.create_task(listener.probabilities(pcm, 0, 200, None))
        neighbour = asyncio.create_task(listener.probabilities(pcm, 0, 50, None))
        await asyncio.sleep(0)  # both are on their way; the first one's request lies before a stopped process
        before.kill()
        assert (await asked)[0].tobytes() == expected[:200].tobytes()
        assert (await neighbour)[0].tobytes() == expected[:50].tobytes()

    run(test)


def test_a_process_that_hangs_is_replaced(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def test(listener: VadClient) -> None:
        await listener.probabilities(pcm, 0, 1, None)
        psutil.Process(pid(listener)).suspend()
        listener._timeout = 1.0
        asked = asyncio.create_task(listener.probabilities(pcm, 0, 200, None))
        async with asyncio.timeout(60):
            while not listener._turn.locked():
                await asyncio.sleep(0.01)
        listener._timeout = 30.0
        assert (await asked)[0].tobytes() == expected[:200].tobytes()

    run(test)


def test_a_process_that_never_lives_is_a_named_error(pcm: Path) -> None:
    async def test(listener: VadClient) -> None:
        with pytest.raises(ListenerFailed, match="failed twice") as caught:
            await listener.probabilities(pcm, 0, 1, None)
        assert caught.value.as_dict()["code"] == "vad_failed"
        assert caught.value.as_dict()["stage"] == "DECODE"
        assert caught.value.retryable
        assert isinstance(caught.value, DecodeError)

    run(test, VadClient(ChildSpec(name="voice detector", module="dictograph.audio.no_such_module")))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("none", "not one to the question"),
        ("huge", "cannot be understood"),
        ("words", "cannot be understood"),
        ("odd", "cannot be understood"),
        ("more", "not one to the question"),
        ("long", "over the limit"),
    ],
)
def test_a_process_that_answers_anything_is_a_named_error_and_gone(pcm: Path, answer: str, words: str) -> None:
    async def test(listener: VadClient) -> None:
        with pytest.raises(ListenerFailed, match=f"failed twice: .*{words}"):
            await listener.probabilities(pcm, 0, 1, None)
        assert not psutil.pid_exists(pid(listener))

    spec = voice_detector("auto")
    own = {"PYTHONPATH": str(Path(__file__).parents[3])}
    run(test, VadClient(replace(spec, module="tests.children.bad_listener", arguments=[answer], environment=own)))


def test_what_cannot_be_heard_is_an_error_that_costs_no_process(tmp_path: Path, pcm: Path) -> None:
    async def test(listener: VadClient) -> None:
        await listener.probabilities(pcm, 0, 1, None)
        before = pid(listener)
        with pytest.raises(ListenerFailed, match="could not listen"):
            await listener.probabilities(tmp_path / "missing.pcm", 0, 1, None)
        with pytest.raises(ListenerFailed, match="end before block"):
            await listener.probabilities(pcm, 10_000, 1, None)
        await listener.probabilities(pcm, 0, 1, None)
        assert pid(listener) == before

    run(test)


def test_a_job_that_gives_up_leaves_the_listener_usable(pcm: Path, expected: NDArray[np.float32]) -> None:
    async def test(listener: VadClient) -> None:
        gone = asyncio.create_task(listener.probabilities(pcm, 0, 2000, None))
        async with asyncio.timeout(60):
            while not listener._turn.locked():
                await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        probabilities, _ = await listener.probabilities(pcm, 0, 200, None)
        assert probabilities.tobytes() == expected[:200].tobytes()

    run(test)


def test_closing_ends_the_process(pcm: Path) -> None:
    async def test() -> int:
        async with started(VadClient()) as listener:
            await listener.probabilities(pcm, 0, 1, None)
            return pid(listener)

    assert not psutil.pid_exists(asyncio.run(test()))


def test_closing_waits_for_nobody(pcm: Path) -> None:
    async def test(listener: VadClient) -> None:
        await listener.probabilities(pcm, 0, 1, None)
        psutil.Process(pid(listener)).suspend()
        asked = [asyncio.create_task(listener.probabilities(pcm, 0, 100, None)) for _ in range(2)]
        async with asyncio.timeout(60):
            while not listener._turn.locked():
                await asyncio.sleep(0)
            await listener.close()
            answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(answer) for answer in answers] == [ListenerFailed, ListenerFailed]
        assert not psutil.pid_exists(pid(listener))

    run(test)


def test_closing_while_the_process_starts_leaves_none_behind() -> None:
    async def test() -> None:
        listener = VadClient()
        starting = asyncio.create_task(listener.start())
        async with asyncio.timeout(60):
            while not listener._turn.locked():
                await asyncio.sleep(0)
            await listener.close()
        with pytest.raises(ListenerFailed, match="closed"):
            await starting
        assert not psutil.pid_exists(pid(listener))

    asyncio.run(test())


def test_the_process_stays_well_inside_its_memory(pcm: Path) -> None:
    async def test(listener: VadClient) -> None:
        await listener.probabilities(pcm, 0, MAX_BLOCKS, None)
        assert psutil.Process(pid(listener)).memory_info().rss < listener_module._SPEC.memory_limit / 2

    run(test)
