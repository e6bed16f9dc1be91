"""When a message is sent again that could not be sent."""

from __future__ import annotations

import pytest

from dictograph.worker.relays.outlets import Backoff, Steps


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (Steps(retries=3, start=0, step=60, most=300), [0, 60, 120, 300, 300]),  # of the old system
        (Steps(retries=9, start=5, step=10, most=20), [5, 15, 20, 20]),
        (Steps(retries=0, start=7, step=7, most=30), [30, 30]),
        (Steps(retries=1, start=0, step=0, most=0), [0, 0.5, 0.5]),  # never without a pause for ever
    ],
)
def test_celerys_policy_for_publishing_is_followed_and_nothing_is_given_up(policy: Steps, delays: list[float]) -> None:
    assert [policy(failures) for failures in range(1, len(delays) + 1)] == delays


def test_without_a_policy_delays_grow_up_to_their_cap() -> None:
    delays = [Backoff(60)(failures) for failures in range(1, 40)]
    assert delays[0] <= 0.5
    assert 30 <= delays[-1] <= 60
