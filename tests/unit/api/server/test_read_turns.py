"""One step in each round of the event loop."""

from __future__ import annotations

import asyncio

from dictograph.api.server.read_turns import ReadTurns


def test_each_gets_one_step_a_round_in_order() -> None:
    async def run() -> list[str]:
        turns, said = ReadTurns(), list[str]()

        def step(name: str, left: int) -> None:
            said.append(name)
            if left:
                turns.ask(lambda: step(name, left - 1))

        for name in "abc":
            turns.ask(lambda name=name: step(name, 2))  # type: ignore[misc]
        while said.count("c") < 3:
            said.append("|")
            await asyncio.sleep(0)
        return said

    assert "".join(asyncio.run(run())) == "|a|b|c" * 3


def test_a_step_that_fails_takes_nobodys_turn() -> None:
    async def run() -> list[str]:
        turns, said, faults = ReadTurns(), list[str](), list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context["exception"]))

        def fail() -> None:
            raise ValueError("broken")

        turns.ask(fail)
        turns.ask(lambda: said.append("next"))
        while not said:
            await asyncio.sleep(0)
        assert [type(fault) for fault in faults] == [ValueError]
        return said

    assert asyncio.run(run()) == ["next"]
