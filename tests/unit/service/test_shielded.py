"""Work that is not cut in two."""

from __future__ import annotations

import asyncio

import pytest

from dictograph.service.shielded import run_to_completion


def test_a_cancelled_caller_waits_for_the_end() -> None:
    async def run() -> list[str]:
        said: list[str] = []
        go_on = asyncio.Event()

        async def work() -> None:
            said.append("begun")
            await go_on.wait()
            said.append("ended")

        caller = asyncio.create_task(run_to_completion(work()))
        while not said:
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        return said

    assert asyncio.run(run()) == ["begun", "ended"]


def test_answers_and_errors_come_through() -> None:
    async def answer() -> int:
        return 5

    async def fail() -> int:
        raise KeyError("x")

    assert asyncio.run(run_to_completion(answer())) == 5
    with pytest.raises(KeyError):
        asyncio.run(run_to_completion(fail()))
