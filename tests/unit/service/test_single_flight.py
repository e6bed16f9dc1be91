"""The same question of many, asked once."""

from __future__ import annotations

import asyncio

import pytest

from dictograph.service.single_flight import SingleFlight


class Oracle:
    """Answers when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, key: str) -> str:
        self.asked.append(key)
        number = len(self.asked)
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return f"{key} {number}"


def test_those_who_ask_together_get_one_answer_and_later_ones_a_new_one() -> None:
    async def run() -> None:
        oracle = Oracle()
        shared = SingleFlight(oracle)
        waiting = asyncio.gather(*(shared("a") for _ in range(100)), shared("b"))
        await asyncio.sleep(0)
        oracle.may_answer.set()
        assert await waiting == ["a 1"] * 100 + ["b 2"]
        assert oracle.asked == ["a", "b"]
        assert await shared("a") == "a 3", "an answer is not kept"

    asyncio.run(run())


def test_who_leaves_takes_the_answer_from_nobody() -> None:
    async def run() -> None:
        oracle = Oracle()
        shared = SingleFlight(oracle)
        first, second = asyncio.create_task(shared("a")), asyncio.create_task(shared("a"))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.sleep(0.01)
        oracle.may_answer.set()
        assert await second == "a 1"
        assert first.cancelled()

    asyncio.run(run())


def test_an_error_is_everybodys_and_not_kept() -> None:
    async def run() -> None:
        oracle = Oracle()
        oracle.error = ValueError("no")
        oracle.may_answer.set()
        shared = SingleFlight(oracle)
        answers = await asyncio.gather(shared("a"), shared("a"), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError, ValueError]
        oracle.error = None
        assert await shared("a") == "a 2"
        with pytest.raises(KeyError):
            await SingleFlight(_broken)("a")

    asyncio.run(run())


async def _broken(key: str) -> str:
    raise KeyError(key)
