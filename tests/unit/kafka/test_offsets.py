"""How far a partition may be committed: no message is passed over, none is forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictograph.broker import Partition
from dictograph.kafka.offsets import Ledger

ONE, TWO = Partition("t", 0), Partition("t", 1)


def ledger(*offsets: int) -> Ledger:
    made = Ledger()
    made.assign([ONE, TWO])
    for offset in offsets:
        made.receive(ONE, offset)
    return made


def test_the_next_after_the_highest_contiguous_one_is_committed() -> None:
    one = ledger(5, 6, 7, 8)
    for offset in (7, 5, 6):
        one.done(ONE, offset)
    assert one.to_commit() == {ONE: 8}
    assert one.unfinished == 1
    one.committed(ONE, 8)
    assert one.to_commit() == {}
    one.done(ONE, 8)
    assert one.to_commit() == {ONE: 9}


def test_what_waits_for_an_acknowledgement_alone_does_not_count_and_is_committed_in_its_turn() -> None:
    one = ledger(1, 2, 3)
    one.uncount(ONE, 2)
    one.uncount(ONE, 9)
    assert (one.counted, one.unfinished) == (2, 3)
    one.done(ONE, 1)
    assert (one.counted, one.unfinished, one.to_commit()) == (1, 2, {ONE: 2})
    one.done(ONE, 2)
    one.uncount(ONE, 2)
    assert (one.counted, one.unfinished, one.to_commit()) == (1, 1, {ONE: 3})


def test_a_message_that_is_not_done_holds_back_what_comes_after_it() -> None:
    one = ledger(1, 2, 3)
    one.done(ONE, 2)
    one.done(ONE, 3)
    assert one.to_commit() == {}


def test_gaps_between_offsets_are_no_messages() -> None:
    """As after compaction, or of a producer with transactions."""
    one = ledger(3, 9, 20)
    one.done(ONE, 3)
    one.done(ONE, 9)
    assert one.to_commit() == {ONE: 10}


def test_what_is_not_ours_or_was_done_before_changes_nothing() -> None:
    one = ledger(1, 2)
    one.done(Partition("other", 0), 1)
    one.done(ONE, 7)
    one.done(ONE, 1)
    one.done(ONE, 1)
    assert (one.to_commit(), one.unfinished) == ({ONE: 2}, 1)
    one.drop([ONE])
    one.done(ONE, 2)
    assert not one.receive(ONE, 3)
    assert (one.to_commit(), one.unfinished, one.partitions) == ({}, 0, [TWO])


def test_offsets_that_were_reset_begin_anew() -> None:
    one = ledger(100, 101)
    one.done(ONE, 100)
    one.receive(ONE, 0)
    one.done(ONE, 101)
    assert one.to_commit() == {}
    one.done(ONE, 0)
    assert one.to_commit() == {ONE: 1}


@given(st.permutations(list(range(12))), st.integers(0, 12))
def test_in_any_order_exactly_what_is_done_without_a_gap_is_committed(order: list[int], count: int) -> None:
    one = ledger(*range(12))
    done = set(order[:count])
    for offset in order[:count]:
        one.done(ONE, offset)
    first_open = next((offset for offset in range(12) if offset not in done), 12)
    assert one.to_commit() == ({ONE: first_open} if first_open else {})
    assert one.unfinished == 12 - count
