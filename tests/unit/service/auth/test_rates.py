"""How often: a moving window, in bounded room, by a clock that is turned by hand."""

from __future__ import annotations

import asyncio

import pytest

from dictograph.errors import TooManyRequests
from dictograph.service.auth.rate_memory import RateMemory
from dictograph.service.auth.rates import Rates


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def take(rates: Rates, client: str, *limits: str, what: str = "requests") -> float | None:
    """None if it was counted, else the seconds to wait."""
    try:
        asyncio.run(rates.take(what, client, limits))
    except TooManyRequests as error:
        return error.retry_after
    return None


def test_the_window_moves_with_each_call(clock: Clock) -> None:
    rates = Rates(RateMemory(clock=clock))
    assert take(rates, "a", "2/minute") is None
    clock.now += 40
    assert take(rates, "a", "2/minute") is None
    assert take(rates, "a", "2/minute") == pytest.approx(20)
    clock.now += 20
    assert take(rates, "a", "2/minute") is None
    assert take(rates, "a", "2/minute") == pytest.approx(40)


def test_clients_and_things_are_counted_apart_and_no_rate_is_any_number(clock: Clock) -> None:
    rates = Rates(RateMemory(clock=clock))
    assert take(rates, "a", "1/hour") is None
    assert take(rates, "b", "1/hour") is None
    assert take(rates, "a", "1/hour", what="jobs") is None
    assert take(rates, "a", "1/hour") is not None
    assert take(rates, "a") is None


def test_what_one_rate_refuses_counts_for_no_other(clock: Clock) -> None:
    rates = Rates(RateMemory(clock=clock))
    for _ in range(3):
        take(rates, "a", "1/minute", "3/hour")
    clock.now += 61
    assert take(rates, "a", "1/minute", "3/hour") is None
    clock.now += 61
    assert take(rates, "a", "1/minute", "3/hour") is None
    clock.now += 61
    assert take(rates, "a", "1/minute", "3/hour") == pytest.approx(3600 - 183)


def test_room_is_bounded_by_clients_and_by_calls(clock: Clock) -> None:
    memory = RateMemory(clients=10, calls=50, clock=clock)
    rates = Rates(memory)
    for number in range(1000):
        take(rates, f"client {number}", "100/minute")
    assert len(memory) == 10
    for _ in range(100):
        take(rates, "busy", "100/minute")
    assert len(memory) == 1, "what one client did pushed all others out, and stays"
    assert take(rates, "busy", "100/minute") is not None
    assert take(rates, "client 999", "100/minute") is None
