"""Nobody who is slow takes the places of others, and nobody who waits is looked at for nothing."""

from __future__ import annotations

import pytest

from dictograph.webhooks.delivery_slots import DeliverySlots


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_receiver_has_a_few_places_and_leaves_the_others_free() -> None:
    places = DeliverySlots(total=8, per_receiver=2)
    assert [places.take("slow:80", "a") for _ in range(4)] == [True, True, False, False]
    assert places.take("quick:80", "a")
    places.leave("slow:80", "a", 15.0)
    assert places.take("slow:80", "a")


def test_an_owner_with_many_receivers_has_half_of_the_places() -> None:
    places = DeliverySlots(total=8, per_receiver=2)
    taken = [places.take(f"host-{number}:80", "greedy") for number in range(8)]
    assert taken.count(True) == 4
    assert places.take("host-9:80", "other")


def test_there_are_no_more_places_than_there_are() -> None:
    places = DeliverySlots(total=4, per_receiver=4)
    taken = [places.take(f"host-{number}:80", f"owner-{number}") for number in range(6)]
    assert taken.count(True) == 4
    assert places.free == 0


@pytest.mark.parametrize("seconds", [0.02, 15.0])
def test_the_line_moves_as_fast_as_the_receiver_answers(seconds: float) -> None:
    clock = Clock()
    places = DeliverySlots(total=32, per_receiver=4, clock=clock)
    fill(places)
    for _ in range(20):  # until it is known how long calls take
        places.leave("one:80", "a", seconds)
        assert places.take("one:80", "a")
    waits = [places.stand_in_line("one:80", "a") for _ in range(100)]
    assert waits == sorted(waits), "one behind the other"
    assert waits[-1] == pytest.approx(100 * seconds / 4, rel=0.1)


def fill(places: DeliverySlots) -> None:
    while places.take("one:80", "a"):
        pass


def test_nobody_is_kept_in_line_for_ever() -> None:
    clock = Clock()
    places = DeliverySlots(total=32, per_receiver=1, clock=clock)
    places.take("one:80", "a")
    assert max(places.stand_in_line("one:80", "a") for _ in range(100_000)) <= 600


def test_nothing_is_kept_of_receivers_that_nobody_calls() -> None:
    clock = Clock()
    places = DeliverySlots(clock=clock)
    for number in range(1000):
        assert places.take(f"host-{number}:80", f"owner-{number}")
        places.leave(f"host-{number}:80", f"owner-{number}", 1.0)
        clock.now += 60
    assert len(places._receivers) + len(places._owners) == 0
