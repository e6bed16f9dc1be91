"""A job's events after any number that a client may name."""

from __future__ import annotations

import pytest

from dictograph.store.events import read_events
from tests.integration.store.store_driver import StoreDriver


@pytest.mark.parametrize("after", [2**31 - 1, 2**31, 10**15, 2**63, 10**100])
def test_after_a_number_that_no_column_holds_there_is_nothing(bench: StoreDriver, after: int) -> None:
    job = bench.create().id
    assert bench.read(lambda conn: read_events(conn, job, after)) == []


def test_before_the_first_there_is_nothing_to_leave_out(bench: StoreDriver) -> None:
    job = bench.create().id
    assert [one.seq for one in bench.read(lambda conn: read_events(conn, job, 0))] == [1]
