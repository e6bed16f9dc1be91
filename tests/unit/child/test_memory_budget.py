"""Who gets memory for a model, who has to wait, and who has to make room. One unit here is a byte."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from dictograph.child.memory_budget import Demand, MemoryBudget, NoLongerWanted, Resident
from dictograph.errors import ModelTooLarge


class Model:
    """A process with a model, which unloads when it is asked, between two pieces of work."""

    def __init__(self, name: str, budget: MemoryBudget, size: int = 1) -> None:
        self.busy = True
        self.resident = Resident(name, lambda: self.busy)
        self.budget, self.size = budget, size

    async def load(self) -> Model:
        await self.budget.acquire(self.resident, Demand(self.size, self.size))
        self.budget.loaded(self.resident)
        return self

    def rest(self) -> None:
        self.busy = False
        self.budget.reconsider()

    def asked(self) -> bool:
        return self.resident.asked.is_set()

    def unload(self) -> None:
        self.budget.release(self.resident)


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(bounded())


async def begun(model: Model) -> asyncio.Task[Model]:
    """Its loading, which waits."""
    loading = asyncio.create_task(model.load())
    while not model.budget.waits(model.resident):
        assert not loading.done()
        await asyncio.sleep(0)
    return loading


def test_the_one_idle_for_longest_makes_room() -> None:
    async def test() -> None:
        budget = MemoryBudget(3)
        first, second, third = [await Model(name, budget).load() for name in "abc"]
        for model in (first, second, third):
            model.rest()
        budget.worked(first.resident)  # now the second is the one that was not used for longest
        loading = await begun(Model("d", budget))
        assert [model.asked() for model in (first, second, third)] == [False, True, False]
        second.unload()
        await loading
        assert budget.used == 3

    run(test)


def test_as_many_make_room_as_it_takes_and_none_while_it_would_not_be_enough() -> None:
    async def test() -> None:
        budget = MemoryBudget(4)
        first, second = await Model("a", budget).load(), await Model("b", budget).load()
        working = await Model("c", budget, 2).load()
        first.rest()
        second.rest()
        too_large = await begun(Model("d", budget, 3))
        assert not first.asked()
        assert not second.asked()  # to unload them would not help, so long as the third works
        working.rest()
        assert first.asked()
        assert second.asked()
        assert not too_large.done() or too_large.cancel()
        too_large.cancel()
        await asyncio.wait({too_large})
        assert not first.asked()  # nobody needs it any more

    run(test)


def test_one_at_work_keeps_its_memory_until_its_turn_is_over() -> None:
    async def test() -> None:
        budget = MemoryBudget(1, turn=0.2)
        working = await Model("a", budget).load()
        began = asyncio.get_running_loop().time()
        loading = await begun(Model("b", budget))
        assert not working.asked()
        await working.resident.asked.wait()
        assert asyncio.get_running_loop().time() - began > 0.15
        working.unload()
        assert not working.asked()
        await loading

    run(test)


def test_two_that_always_have_work_take_turns() -> None:
    async def test() -> None:
        budget = MemoryBudget(1, turn=0.01)
        turns: list[str] = []

        async def work(model: Model) -> None:
            for _ in range(5):
                await model.load()
                turns.append(model.resident.name)
                await model.resident.asked.wait()
                model.unload()

        workers = [asyncio.create_task(work(Model(name, budget))) for name in "ab"]
        async with asyncio.timeout(10):
            await workers[0]
        assert "".join(turns).startswith("ababababa")
        workers[1].cancel()

    run(test)


def test_a_small_one_does_not_overtake_a_large_one_that_came_before() -> None:
    async def test() -> None:
        budget = MemoryBudget(3)
        working = await Model("a", budget, 2).load()
        large, small = await begun(Model("large", budget, 3)), await begun(Model("small", budget, 1))
        assert not small.done()
        working.unload()
        (await large).unload()
        await small

    run(test)


def test_what_never_fits_is_refused_by_name() -> None:
    async def test() -> None:
        budget = MemoryBudget(3 * 2**30)
        with pytest.raises(
            ModelTooLarge, match=r"engine x needs at least 4.0 GiB .* 3.0 GiB .*DICTOGRAPH_MODELS_MEMORY"
        ):
            await budget.acquire(Resident("engine x", lambda: True), Demand(4 * 2**30, 5 * 2**30))
        assert budget.describe() == {"budget": 3 * 2**30, "used": 0, "waiting": 0}

    run(test)


def test_what_may_not_fit_is_given_all_there_is() -> None:
    async def test() -> None:
        budget = MemoryBudget(3)
        await budget.acquire(Resident("a", lambda: True), Demand(2, 100))
        assert budget.used == 3

    run(test)


def test_who_is_no_longer_wanted_waits_no_more_and_holds_nobody_up() -> None:
    async def test() -> None:
        budget = MemoryBudget(2)
        working = await Model("a", budget).load()
        unwanted = Model("b", budget, 2)
        loading = await begun(unwanted)
        behind = await begun(Model("c", budget))
        unwanted.rest()
        with pytest.raises(NoLongerWanted):
            await loading
        await behind
        assert not working.asked()

    run(test)


def test_what_is_measured_corrects_what_was_expected() -> None:
    async def test() -> None:
        budget = MemoryBudget(10)
        first = await Model("a", budget, 6).load()
        loading = await begun(Model("b", budget, 6))
        budget.measured(first.resident, 4, whole=False)  # it has not worked yet, and may take more then
        assert not loading.done()
        budget.measured(first.resident, 4, whole=True)
        await loading
        assert budget.used == 10

    run(test)


def test_when_more_is_taken_than_there_is_an_idle_one_goes_and_else_the_last_that_came() -> None:
    async def test() -> None:
        budget = MemoryBudget(10)
        first, second, idle = [await Model(name, budget, 3).load() for name in "abc"]
        idle.rest()
        budget.measured(first.resident, 5, whole=True)
        assert [model.asked() for model in (first, second, idle)] == [False, False, True]
        idle.unload()
        budget.measured(first.resident, 8, whole=True)
        assert [model.asked() for model in (first, second)] == [False, True]
        second.unload()
        budget.measured(first.resident, 12, whole=True)
        assert not first.asked()  # its own limit ends it, if anything

    run(test)


def test_who_is_cancelled_as_memory_is_granted_can_let_go_of_it() -> None:
    async def test() -> None:
        budget = MemoryBudget(1)
        working, waiting = await Model("a", budget).load(), Model("b", budget)
        loading = await begun(waiting)
        working.unload()  # in the same moment …
        loading.cancel()
        await asyncio.wait({loading})
        waiting.unload()
        await Model("c", budget).load()

    run(test)
