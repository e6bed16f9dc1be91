"""How long it will still take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dictograph.service.queue_estimate import eta_seconds

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("done", "duration", "elapsed", "eta"),
    [
        (10.0, 40.0, 5.0, 15.0),
        (40.0, 40.0, 5.0, 0.0),
        (50.0, 40.0, 5.0, 0.0),
        (0.0, 40.0, 5.0, None),
        (10.0, None, 5.0, None),
        (10.0, 40.0, 0.0, None),
        (10.0, 40.0, -5.0, None),
    ],
)
def test_the_rest_at_the_speed_so_far(done: float, duration: float | None, elapsed: float, eta: float | None) -> None:
    assert eta_seconds(done, duration, START, START + timedelta(seconds=elapsed)) == eta


def test_nothing_is_told_of_what_was_not_started() -> None:
    assert eta_seconds(10.0, 40.0, None, START) is None
