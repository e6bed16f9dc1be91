"""Silence is told by watching: no clock that can be set has a say in it."""

from __future__ import annotations

from dictograph.store.jobs.lease import HeldLease
from dictograph.worker.leases.lease_monitor import ClockRollbackDetector, StalledLeaseDetector

LEASE, TURN = 30.0, 10.0


def _lease(ends: float, left: float = LEASE, job: str = "job", attempt: int = 1) -> HeldLease:
    return HeldLease(job, attempt, ends, left)


def test_a_lease_that_stands_still_for_its_length_is_silent() -> None:
    silence, dead = StalledLeaseDetector(LEASE, TURN), _lease(1000)
    assert [silence.look([dead], now) for now in (0, 10, 20, 29)] == [[]] * 4
    assert silence.look([dead], 30) == [dead]
    assert silence.look([dead], 35) == [dead], "until it was returned"
    assert silence.look([], 40) == []


def test_a_renewed_lease_is_never_silent_wherever_the_clock_stands() -> None:
    """An hour forward, so that it seems past, and two hours back, so that it seems to last: the worker lives."""
    silence = StalledLeaseDetector(LEASE, TURN)
    for turn in range(60):
        jump = 0.0 if turn < 20 else 3600.0 if turn < 40 else -7200.0
        assert silence.look([_lease(1000 + turn * 10 + jump, left=-3600.0)], turn * 10) == []


def test_a_dead_workers_lease_ends_in_time_though_the_clock_says_that_it_lasts() -> None:
    silence, dead = StalledLeaseDetector(LEASE, TURN), _lease(4600, left=3600.0)
    silence.look([_lease(1000)], 0)
    looks = {now: silence.look([dead], now) for now in range(10, 200, 10)}
    assert min(now for now, silent in looks.items() if silent) == 10 + 4 * LEASE


def test_a_longer_lease_than_ours_is_believed() -> None:
    silence, other = StalledLeaseDetector(LEASE, TURN), _lease(1000, left=60.0)
    assert not any(silence.look([other], now) for now in range(0, 60, 10))
    assert silence.look([other], 60) == [other]


def test_what_is_past_at_first_sight_gets_a_lease_of_time() -> None:
    """The clock may have been set forward before we were here."""
    silence, past = StalledLeaseDetector(LEASE, TURN), _lease(1000, left=-500.0)
    assert [silence.look([past], now) for now in (0, 10, 20)] == [[]] * 3
    assert silence.look([past], 30) == [past]


def test_time_without_looking_does_not_count() -> None:
    """The database was away for an hour, or the machine slept: nobody could renew."""
    silence, held = StalledLeaseDetector(LEASE, TURN), _lease(1000)
    silence.look([held], 0)
    assert silence.look([held], 3600) == []
    assert silence.look([held], 3610) == []
    assert silence.look([held], 3620) == [held]


def test_each_attempt_is_watched_by_itself() -> None:
    silence = StalledLeaseDetector(LEASE, TURN)
    for now in (0, 10, 20):
        silence.look([_lease(1000)], now)
    assert silence.look([_lease(1000, attempt=2)], 30) == []


def test_a_clock_that_was_set_back_is_noticed_once() -> None:
    clock = ClockRollbackDetector(tolerance=1.0)
    assert clock.was_set_back(1000.0, 0.0), "before the first look it may have been"
    assert not clock.was_set_back(1010.0, 10.0)
    assert not clock.was_set_back(4620.0, 20.0), "forward"
    assert clock.was_set_back(1030.0, 30.0), "and back again"
    assert not clock.was_set_back(1040.0, 40.0)
    assert not clock.was_set_back(1049.5, 50.0)
    assert clock.was_set_back(1058.5, 60.0), "bit by bit"
