"""Whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from dictograph.engine.protocol import Window, WindowOptions
from dictograph.worker.batching.batch_queue import BatchQueue
from dictograph.worker.batching.job_queue import Batch, Detect, JobQueue, WindowRequest

ENGLISH, GERMAN = WindowOptions(language="en"), WindowOptions(language="de")
SAMPLED = WindowOptions(temperature=0.5)


async def _no_samples() -> Window:
    raise AssertionError("nobody reads in these tests")


def _fill(lanes: BatchQueue, lane: JobQueue, count: int, what: WindowOptions | Detect = ENGLISH) -> None:
    for index in range(count):
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        lanes.put(lane, WindowRequest(index, 30.0, what, _no_samples, done))


def _names(batch: Batch) -> list[str]:
    return [f"{lane.job_id}{item.index}" for lane, item in batch]


def _done(lanes: BatchQueue, batch: Batch) -> list[str]:
    """The batch was decoded, and committed."""
    lanes.done(batch)
    for lane, _ in batch:
        lanes.let_go(lane)
    return _names(batch)


def _in_loop(test: Callable[[BatchQueue], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        await test(BatchQueue())

    asyncio.run(run())


def test_jobs_take_turns_within_a_batch() -> None:
    async def test(lanes: BatchQueue) -> None:
        long, short = lanes.open("L", "local", 0), lanes.open("S", "local", 0)
        _fill(lanes, long, 10)
        _fill(lanes, short, 2)
        assert _names(lanes.take(6)) == ["L0", "S0", "L1", "S1", "L2", "L3"]

    _in_loop(test)


def test_a_note_that_comes_later_has_the_very_next_batch_to_itself() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 100)
        assert _done(lanes, lanes.take(2)) == ["L0", "L1"]
        note = lanes.open("N", "local", 0)
        _fill(lanes, note, 1)
        assert _names(lanes.take(2)) == ["N0"]
        assert _names(lanes.take(2)) == ["L2", "L3"]

    _in_loop(test)


def test_a_newcomers_first_batch_is_small_unless_there_are_many_of_them() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 10)
        assert _done(lanes, lanes.take(8, small=2)) == ["L0", "L1"]
        assert _names(lanes.take(8, small=2)) == ["L2", "L3", "L4", "L5", "L6", "L7", "L8", "L9"]
        for number in range(3):
            _fill(lanes, lanes.open(f"n{number}-", "local", 0), 2)
        assert _names(lanes.take(8, small=2)) == ["n0-0", "n1-0", "n2-0"]

    _in_loop(test)


def test_while_newcomers_come_nobodys_batch_is_large() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 20)
        _done(lanes, lanes.take(8, small=2))
        note = lanes.open("N", "local", 0)
        _fill(lanes, note, 1)
        assert _names(lanes.take(8, small=2)) == ["N0"]
        lanes.close(note)
        assert _names(lanes.take(8, small=2)) == ["L2", "L3"]

    _in_loop(test)


def test_to_be_told_its_language_is_no_turn_of_a_job() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 20)
        _done(lanes, lanes.take(1))
        note = lanes.open("N", "local", 0)
        _fill(lanes, note, 1, Detect())
        assert _done(lanes, lanes.take(4)) == ["N0"]
        _fill(lanes, note, 1)
        assert _names(lanes.take(4)) == ["N0"]

    _in_loop(test)


def test_a_long_file_goes_on_though_newcomers_never_end() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 100)
        _done(lanes, lanes.take(1))
        taken: list[str] = []
        for number in range(25):
            note = lanes.open(f"n{number}-", "local", 0)
            for what in (Detect(), ENGLISH):
                _fill(lanes, note, 1, what)
            for _ in range(2):
                batch = lanes.take(2, small=1)
                taken += [lane.job_id[0] for lane, item in batch if item.what == ENGLISH]
                _done(lanes, batch)
        assert "".join(taken) == "nnnnLnnnnLnnnnnLnnnnLnnnnnLnn"  # two notes that have waited share a batch

    _in_loop(test)


def test_newcomers_of_higher_priority_need_not_let_others_go_first() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 100)
        _done(lanes, lanes.take(1))
        for number in range(20):
            _fill(lanes, lanes.open(f"n{number}-", "local", 1), 1)
            assert _names(lanes.take(2, small=1)) == [f"n{number}-0"]

    _in_loop(test)


def test_a_batch_that_made_way_again_and_again_is_let_go_first_too() -> None:
    async def test(lanes: BatchQueue) -> None:
        for name in "KLM":
            _fill(lanes, lanes.open(name, "local", 0), 9)
        _done(lanes, lanes.take(3))
        for number in range(4):
            batch = lanes.take(2)
            assert _names(batch) == ["K1", "L1"], "another was taken though these had been put off"
            _fill(lanes, lanes.open(f"n{number}-", "local", 0), 1)
            assert lanes.new_job_before(batch)
            lanes.preempt(batch)
            assert _done(lanes, lanes.take(2)) == [f"n{number}-0"]
        batch = lanes.take(2)
        assert _names(batch) == ["K1", "L1"]
        _fill(lanes, lanes.open("N", "local", 0), 1)
        assert not lanes.new_job_before(batch)

    _in_loop(test)


def test_notes_that_nobody_waited_behind_are_not_held_against_the_next() -> None:
    async def test(lanes: BatchQueue) -> None:
        for number in range(9):
            note = lanes.open(f"n{number}-", "local", 0)
            _fill(lanes, note, 1)
            _done(lanes, lanes.take(4))
            lanes.close(note)
        _fill(lanes, lanes.open("L", "local", 0), 20)
        _done(lanes, lanes.take(2))
        lanes.take(4)
        assert lanes.preemptible

    _in_loop(test)


def test_a_newcomer_whose_batch_failed_still_is_one() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 9)
        _done(lanes, lanes.take(1))
        _fill(lanes, lanes.open("A", "ann", 0), 2)
        _fill(lanes, lanes.open("B", "bob", 0), 2)
        batch = lanes.take(2)
        assert _names(batch) == ["A0", "B0"]
        lanes.put_back(batch, alone=False)
        _fill(lanes, lanes.open("C", "cid", 0), 1)
        assert _names(lanes.take(4, small=1)) == ["C0", "A0", "B0"]

    _in_loop(test)


def test_a_batch_that_newcomers_let_go_first_is_not_put_off_for_one() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 100)
        for _ in range(2):
            _done(lanes, lanes.take(1))
        for number in range(5):
            _fill(lanes, lanes.open(f"n{number}-", "local", 0), 1)
        for _ in range(4):
            _done(lanes, lanes.take(1))
        batch = lanes.take(1)
        assert _names(batch) == ["L2"]
        assert not lanes.preemptible
        assert not lanes.new_job_before(batch)
        assert _names(lanes.take(1)) == ["n4-0"]

    _in_loop(test)


def test_an_owner_with_many_jobs_does_not_crowd_out_another() -> None:
    async def test(lanes: BatchQueue) -> None:
        for number in range(5):
            _fill(lanes, lanes.open(f"a{number}-", "ann", 0), 3)
        _fill(lanes, lanes.open("b-", "bob", 0), 3)
        batch = _names(lanes.take(6))
        assert [name for name in batch if name.startswith("b")] == ["b-0", "b-1", "b-2"]

    _in_loop(test)


def test_a_higher_priority_goes_first() -> None:
    async def test(lanes: BatchQueue) -> None:
        _fill(lanes, lanes.open("low", "local", 0), 2)
        _fill(lanes, lanes.open("high", "local", 5), 2)
        assert _names(lanes.take(3)) == ["high0", "high1", "low0"]

    _in_loop(test)


def test_only_equal_options_share_a_batch() -> None:
    async def test(lanes: BatchQueue) -> None:
        _fill(lanes, lanes.open("en", "local", 0), 2, ENGLISH)
        _fill(lanes, lanes.open("de", "local", 0), 2, GERMAN)
        assert _names(lanes.take(4)) == ["en0", "en1"]
        assert _names(lanes.take(4)) == ["de0", "de1"]

    _in_loop(test)


def test_a_sampled_window_is_decoded_alone() -> None:
    async def test(lanes: BatchQueue) -> None:
        lane = lanes.open("s", "local", 0)
        _fill(lanes, lane, 2, SAMPLED)
        assert _done(lanes, lanes.take(4)) == ["s0"]
        assert _names(lanes.take(4)) == ["s1"]

    _in_loop(test)


def test_a_lane_is_held_until_its_results_are_committed() -> None:
    async def test(lanes: BatchQueue) -> None:
        lane = lanes.open("j", "local", 0)
        _fill(lanes, lane, 4)
        assert _names(lanes.take(2)) == ["j0", "j1"]
        assert lanes.take(2) == []
        lanes.let_go(lane)
        assert _names(lanes.take(2)) == ["j2", "j3"]

    _in_loop(test)


def test_what_is_put_back_comes_first_in_order_and_alone() -> None:
    async def test(lanes: BatchQueue) -> None:
        lane = lanes.open("j", "local", 0)
        _fill(lanes, lane, 4)
        batch = lanes.take(3)
        lanes.let_go(lane)
        lanes.put_back(batch, alone=True)
        for expected in ("j0", "j1", "j2", "j3"):
            assert _names(lanes.take(3)) == [expected]
            lanes.let_go(lane)

    _in_loop(test)


def test_a_closed_lane_gives_nothing_and_its_futures_are_cancelled() -> None:
    async def test(lanes: BatchQueue) -> None:
        lane = lanes.open("j", "local", 0)
        _fill(lanes, lane, 3)
        (_, taken), *_ = lanes.take(1)
        waiting = [item.done for item in lane.waiting]
        lanes.close(lane)
        lanes.put_back([(lane, taken)], alone=False)
        assert lanes.take(5) == []
        assert all(done.cancelled() for done in waiting)
        assert lanes.idle

    _in_loop(test)


def test_newcomers_share_a_batch_and_what_follows_their_first_waits_its_turn_with_the_rest() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 100)
        _done(lanes, lanes.take(1))
        one, other = lanes.open("A", "local", 0), lanes.open("B", "local", 0)
        _fill(lanes, one, 3)
        _fill(lanes, other, 1)
        assert _done(lanes, lanes.take(3)) == ["A0", "B0", "A1"]
        assert _names(lanes.take(3)) == ["L1", "A2", "L2"]

    _in_loop(test)


def test_a_higher_priority_takes_a_newcomer_along() -> None:
    async def test(lanes: BatchQueue) -> None:
        high = lanes.open("high", "local", 5)
        _fill(lanes, high, 2)
        _done(lanes, lanes.take(1))
        _fill(lanes, lanes.open("note", "local", 0), 1)
        assert _names(lanes.take(3)) == ["high1", "note0"]

    _in_loop(test)


def test_the_first_window_of_a_job_that_was_told_its_language_is_waited_for() -> None:
    async def test(lanes: BatchQueue) -> None:
        long, note = lanes.open("L", "local", 0), lanes.open("N", "local", 0)
        _fill(lanes, long, 9)
        _done(lanes, lanes.take(1))
        note.answered = True
        asyncio.get_running_loop().call_later(0.01, _fill, lanes, note, 1)
        await lanes.gather(4, 30)
        assert _names(lanes.take(4)) == ["N0"]

    _in_loop(test)


def test_it_is_not_waited_for_again_and_again() -> None:
    async def test(lanes: BatchQueue) -> None:
        long, note = lanes.open("L", "local", 0), lanes.open("N", "local", 0)
        _fill(lanes, long, 9)
        note.answered = True
        await lanes.gather(4, 0.01)
        async with asyncio.timeout(5):
            await lanes.gather(4, 30)
        assert _names(lanes.take(4)) == ["L0", "L1", "L2", "L3"]

    _in_loop(test)


def test_windows_about_to_come_are_waited_for_unless_the_batch_is_full_without_them() -> None:
    async def test(lanes: BatchQueue) -> None:
        one, other = lanes.open("A", "local", 0), lanes.open("B", "local", 0)
        _fill(lanes, one, 4)
        _fill(lanes, other, 4)
        assert len(lanes.take(4)) == 4
        lanes.let_go(one)
        asyncio.get_running_loop().call_later(0.01, lanes.let_go, other)
        await lanes.gather(4, 30)
        assert _names(lanes.take(4)) == ["A2", "B2", "A3", "B3"]
        _fill(lanes, lanes.open("C", "local", 0), 4)
        async with asyncio.timeout(5):
            await lanes.gather(4, 30)  # A and B are held still
        assert _names(lanes.take(4)) == ["C0", "C1", "C2", "C3"]

    _in_loop(test)


def test_a_newcomer_goes_before_a_batch_under_way_but_not_before_one_of_newcomers() -> None:
    async def test(lanes: BatchQueue) -> None:
        long = lanes.open("L", "local", 0)
        _fill(lanes, long, 9)
        _done(lanes, lanes.take(1))
        batch = lanes.take(4)
        assert not lanes.new_job_before(batch)
        note = lanes.open("N", "local", 0)
        assert not lanes.new_job_before(batch)
        _fill(lanes, note, 2)
        assert lanes.new_job_before(batch)
        assert _names(lanes.take(4)) == ["N0", "N1"]
        _fill(lanes, lanes.open("M", "local", 0), 1)
        assert not lanes.new_job_before([(note, batch[0][1])])

    _in_loop(test)


def test_a_newcomer_of_lower_priority_waits() -> None:
    async def test(lanes: BatchQueue) -> None:
        high = lanes.open("high", "local", 5)
        _fill(lanes, high, 9)
        _done(lanes, lanes.take(1))
        batch = lanes.take(4)
        _fill(lanes, lanes.open("note", "local", 0), 1)
        assert not lanes.new_job_before(batch)

    _in_loop(test)
