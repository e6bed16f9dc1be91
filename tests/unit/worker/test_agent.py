"""What an agent lives through, and what it dies of."""

from __future__ import annotations

import asyncio
import errno

import pytest

from dictograph.errors import DatabaseUnavailable
from dictograph.worker.agent import every


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("It is locked."), OSError(errno.EMFILE, "Too many open files")], ids=type
)
def test_what_passes_is_lived_through(error: Exception) -> None:
    async def test() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            turns += 1
            if turns == 3:
                raise asyncio.CancelledError
            raise error

        with pytest.raises(asyncio.CancelledError):
            await every(0, turn, "agent")
        return turns

    assert asyncio.run(test()) == 3


def test_anything_else_is_its_death() -> None:
    async def turn() -> None:
        raise ValueError("a fault of Dictograph itself")

    with pytest.raises(ValueError, match="a fault"):
        asyncio.run(every(0, turn, "agent"))
