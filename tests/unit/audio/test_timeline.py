from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictograph.audio.timeline import (
    MAX_GAP_S,
    MAX_SILENCE_S,
    MAX_SILENCE_SHARE,
    TOLERANCE_S,
    Move,
    Place,
    Timeline,
)

RATE = 16_000


def test_frames_that_follow_are_seamless_however_their_stamps_are_rounded() -> None:
    timeline = Timeline(0.0)
    for frame in range(10_000):
        exact = frame * 1024 / 44_100
        place = timeline.place(round(exact, 3))
        assert place.move is Move.FOLLOWS
        assert abs(place.position - exact * RATE) <= 8.5
        timeline.advance(1024 / 44_100)


def test_an_offset_at_the_start_is_silence_but_not_for_hours() -> None:
    assert Timeline(0.0).place(2.0) == Place(Move.AFTER_GAP, 2 * RATE)
    assert Timeline(1.4).place(1.4) == Place(Move.FOLLOWS, 0)
    assert Timeline(None).place(7.0) == Place(Move.FOLLOWS, 0)
    assert Timeline(0.0).place(MAX_GAP_S + 1) == Place(Move.FOLLOWS, 0)
    assert Timeline(0.0).place(-0.5) == Place(Move.FOLLOWS, 0)


def test_a_gap_an_overlap_and_clocks_that_jump() -> None:
    timeline = Timeline(0.0)
    timeline.place(0.0)
    timeline.advance(1.0)
    assert timeline.place(3.0) == Place(Move.AFTER_GAP, 3 * RATE)
    timeline.advance(1.0)
    assert timeline.place(3.5) == Place(Move.OVERLAPS, 3 * RATE + RATE // 2)
    timeline.advance(1.0)
    assert timeline.place(0.0) == Place(Move.CLOCK_CHANGED, 4 * RATE + RATE // 2)
    timeline.advance(1.0)
    assert timeline.place(1.0) == Place(Move.FOLLOWS, 5 * RATE + RATE // 2)
    assert timeline.place(1e9).move is Move.CLOCK_CHANGED


def test_a_clock_that_begins_again_is_no_overlap_however_short_it_ran() -> None:
    """Files of less than a second, joined end to end: all of each is kept."""
    timeline = Timeline(1.4)
    for piece in range(5):
        for frame in range(40):
            place = timeline.place(1.4 + frame * 0.02)
            assert place.move is (Move.CLOCK_CHANGED if piece and not frame else Move.FOLLOWS)
            assert place.position == (piece * 40 + frame) * 320
            timeline.advance(0.02)


@pytest.mark.parametrize("wrong", [0.1, -0.1, 5.0, -5.0, 1e9])
def test_one_wrong_stamp_moves_nothing_if_the_next_is_right(wrong: float) -> None:
    timeline = Timeline(0.0)
    for frame in range(20):
        stamp = frame * 0.02 + (wrong if frame == 5 else 0)
        assert timeline.place(stamp, by_next=frame * 0.02) == Place(Move.FOLLOWS, frame * 320)
        timeline.advance(0.02)


def test_a_gap_that_the_next_stamp_tells_as_well_is_one() -> None:
    timeline = Timeline(0.0)
    timeline.place(0.0, by_next=0.1)
    timeline.advance(0.02)
    assert timeline.place(0.12, by_next=0.12) == Place(Move.AFTER_GAP, 1920)


def test_after_damage_a_small_gap_counts() -> None:
    timeline = Timeline(0.0)
    timeline.place(0.0)
    timeline.advance(1.0)
    assert timeline.place(1.05).move is Move.FOLLOWS
    assert timeline.place(1.05, damaged=True) == Place(Move.AFTER_GAP, round(1.05 * RATE))


def test_frames_without_stamps_follow_and_the_first_stamp_is_taken_from_there() -> None:
    timeline = Timeline(None)
    assert timeline.place(None) == Place(Move.FOLLOWS, 0)
    timeline.advance(1.0)
    assert timeline.place(100.0) == Place(Move.FOLLOWS, RATE)
    timeline.advance(1.0)
    assert timeline.place(103.0) == Place(Move.AFTER_GAP, 4 * RATE)


@given(st.lists(st.tuples(st.none() | st.floats(-1e6, 1e6), st.floats(0.001, 1.0)), max_size=50))
def test_whatever_the_stamps_are_no_silence_is_endless_and_no_overlap_is_long(
    frames: list[tuple[float | None, float]],
) -> None:
    timeline = Timeline(0.0)
    for stamp, seconds in frames:
        here = timeline.position
        place = timeline.place(stamp)
        assert place.position >= 0
        assert -RATE - 1 <= place.position - here <= MAX_GAP_S * RATE + 1
        if place.move is Move.FOLLOWS:
            assert place.position == here
        if place.move is Move.AFTER_GAP and here:
            assert place.position - here >= TOLERANCE_S * RATE - 1
        timeline.advance(seconds)
        assert abs(timeline.position - place.position - seconds * RATE) <= 1.01


def test_counted_packets_say_only_how_much_damage_took() -> None:
    timeline = Timeline(0.0, stamped=False)
    timeline.place(0.0)
    timeline.advance(1.0)
    assert timeline.place(0.5) == Place(Move.FOLLOWS, RATE)
    timeline.advance(1.0)
    assert timeline.place(2.0, damaged=True) == Place(Move.AFTER_GAP, round(2.5 * RATE))


def test_a_few_moments_of_sound_cannot_ask_for_a_day_of_silence() -> None:
    """A file of some kilobytes would have the voice detector listen to all of it."""
    timeline = Timeline(0.0)
    for hour in range(24):
        timeline.place(hour * 3_540.0)
        timeline.advance(0.02)
    assert timeline.position < (MAX_SILENCE_S + MAX_SILENCE_SHARE * 24 * 0.02 + 1) * RATE
    # Going back costs nothing, and going forth again does.
    for stamp in (0.0, 3_500.0) * 10:
        timeline.place(stamp)
        timeline.advance(0.02)
    assert timeline.position < (MAX_SILENCE_S + MAX_SILENCE_SHARE * 44 * 0.02 + 1) * RATE


def test_a_minute_of_silence_is_believed_for_each_second_of_sound() -> None:
    """As on a channel where somebody speaks now and then: a second in each minute, for a day."""
    timeline = Timeline(0.0)
    for minute in range(24 * 60):
        assert timeline.place(minute * 60.0).position == minute * 60 * RATE
        timeline.advance(1.0)
