"""When pieces are too small."""

from __future__ import annotations

import pytest

from dictograph.api.error_responses import AbsurdChunking
from dictograph.api.server.piece_meter import LEAST_MEAN, PIECES, PieceMeter


def add(meter: PieceMeter, size: int, pieces: int) -> None:
    for _ in range(pieces):
        meter.add(size)


def test_so_many_small_pieces_are_too_many() -> None:
    meter = PieceMeter()
    add(meter, LEAST_MEAN - 1, PIECES - 1)
    with pytest.raises(AbsurdChunking, match=r"15\.0 bytes"):
        meter.add(LEAST_MEAN - 1)


def test_pieces_that_are_just_large_enough_pass() -> None:
    meter = PieceMeter()
    add(meter, LEAST_MEAN, 5 * PIECES)


def test_it_is_the_mean_that_counts() -> None:
    meter = PieceMeter()
    for number in range(5 * PIECES):
        meter.add(1 if number % 2 else 2 * LEAST_MEAN)


def test_a_large_piece_pays_for_no_more_than_its_own_round() -> None:
    meter = PieceMeter()
    meter.add(10_000_000)
    with pytest.raises(AbsurdChunking):
        add(meter, 1, 2 * PIECES)


def test_bytes_of_a_piece_that_comes_in_parts_are_of_one_piece() -> None:
    meter = PieceMeter()
    for _ in range(2 * PIECES):
        meter.add(LEAST_MEAN // 2, ends=False)
        meter.add(LEAST_MEAN // 2)


def test_another_body_is_counted_anew() -> None:
    meter = PieceMeter()
    for _ in range(5):
        add(meter, 0, PIECES - 1)
        meter.begin()


def test_a_conversation_may_be_as_long_as_it_likes_if_it_is_slow() -> None:
    slow, quick = PieceMeter(at_rest=0.0), PieceMeter(at_rest=3600.0)
    add(slow, 0, 3 * PIECES)
    with pytest.raises(AbsurdChunking):
        add(quick, 0, PIECES)
