"""A job's events after any number that a client may name."""

from __future__ import annotations

import pytest

from dictograph.store.events import read_events
from tests.integration.store.store_driver import StoreDriver


@pytest.mark.parametrize("after", [2**31 - 1, 2**31, 10**15, 2**63, 10**100])
def test_after_a_number_that_no_column_holds_there_is_nothing(driver: StoreDriver, after: int) -> None:
    job = driver.create().id
    assert driver.read(lambda conn: read_events(conn, job, after)) == []


def test_before_the_first_there_is_nothing_to_leave_out(driver: StoreDriver) -> None:
    job = driver.create().id
    assert [one.seq for one in driver.read(lambda conn: read_events(conn, job, 0))] == [1]
