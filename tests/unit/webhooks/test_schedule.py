"""Ten attempts over three days, whatever the receiver asks for."""

from __future__ import annotations

import random

from dictograph.webhooks.schedule import LONGEST_WAIT_S, MOST_ATTEMPTS, WAITS_S, wait_after

DAY = 86_400.0


def waits(asked: float | None = None) -> list[float]:
    found = [wait_after(attempts, asked, random.Random(7)) for attempts in range(1, MOST_ATTEMPTS)]
    return [wait for wait in found if wait is not None]


def test_it_goes_on_for_three_days_and_not_longer() -> None:
    assert len(waits()) == MOST_ATTEMPTS - 1 == 9
    assert 2.5 * DAY < sum(waits()) <= sum(WAITS_S) <= 3 * DAY
    assert wait_after(MOST_ATTEMPTS, None, random.Random()) is None


def test_it_begins_soon_and_waits_longer_and_longer() -> None:
    assert waits()[0] <= 5
    assert list(WAITS_S) == sorted(WAITS_S)
    assert max(waits()) <= LONGEST_WAIT_S


def test_chance_parts_receivers_that_failed_together() -> None:
    chance = random.Random(1)
    found = {wait_after(3, None, chance) for _ in range(100)}
    assert len(found) > 90
    assert all(wait is not None and 0.9 * WAITS_S[2] <= wait <= WAITS_S[2] for wait in found)


def test_a_receiver_is_left_alone_as_long_as_it_asks_but_for_no_more_than_an_hour() -> None:
    assert wait_after(1, 120.0, random.Random()) == 120.0
    assert wait_after(1, 1e9, random.Random()) == 3600.0
    assert sum(waits(asked=1e9)) < 3.2 * DAY
    later = wait_after(5, 1.0, random.Random())
    assert later is not None
    assert later >= 0.9 * WAITS_S[4], "asking for less than the schedule gives changes nothing"
