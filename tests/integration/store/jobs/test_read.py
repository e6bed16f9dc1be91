"""Lists that stay stable while jobs come in, positions in the queue, counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dictograph.errors import InvalidRequest
from dictograph.job import JobStatus, Source, SourceKind
from dictograph.store.jobs import read
from tests.integration.store.store_driver import StoreDriver


def test_pages_are_newest_first_and_stable_while_jobs_come_in(driver: StoreDriver) -> None:
    ids = [driver.create().id for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = driver.read(read.list_jobs, "local", cursor=cursor, limit=3)
        seen += [job.id for job in page.jobs]
        driver.create(f"new-{len(seen)}")
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ids[::-1]


def test_a_page_that_just_fits_has_no_next(driver: StoreDriver) -> None:
    for _ in range(3):
        driver.create()
    assert driver.read(read.list_jobs, None, limit=3).next_cursor is None


def test_filters(driver: StoreDriver) -> None:
    first = driver.create("a")
    dead = driver.claim().lease
    for _ in range(2):
        driver.fail(dead)
        dead = driver.claim().lease
    driver.fail(dead)
    driver.create("b", owner="otto")
    driver.create("c")
    driver.cancel("c")
    driver.create("d")
    refused = driver.claim(worker="w")
    driver.fail(refused.lease, retryable=False)

    def ids(**filters: object) -> list[str]:
        owner = filters.pop("owner", None)
        return [job.id for job in driver.read(read.list_jobs, owner, **filters).jobs]

    failed_not_dead = refused.job.id
    assert ids(dead=True) == ["a"]
    assert set(ids(statuses=[JobStatus.FAILED])) == {"a", failed_not_dead}
    assert set(ids(statuses=[JobStatus.FAILED, JobStatus.CANCELLED])) == {"a", failed_not_dead, "c"}
    assert set(ids(owner="otto")) == {"b"}
    assert "a" not in ids(created_after=first.created_at)
    assert ids(created_before=first.created_at) == []
    assert ids(created_before=first.created_at + timedelta(microseconds=1)) == ["a"]


@pytest.mark.parametrize("cursor", ["x", "e30", "bnVsbA", "WzEsMl0", "ä", "WyIyMDI2LTAxLTAxIiwiYSJd", "A" * 999])
def test_a_cursor_that_is_none_is_refused(driver: StoreDriver, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        driver.read(read.list_jobs, "local", cursor=cursor)


def test_positions_follow_priority_and_age(driver: StoreDriver) -> None:
    for id in ("a", "b"):
        driver.create(id)
    driver.create("urgent", priority=1)
    positions = {id: driver.read(read.queue_position, id) for id in ("urgent", "a", "b", "nobody")}
    assert positions == {"urgent": 1, "a": 2, "b": 3, "nobody": None}
    assert driver.claim().job.id == "urgent"
    assert driver.read(read.queue_position, "urgent") is None
    assert driver.read(read.queue_position, "a") == 1


def test_counts_name_every_state(driver: StoreDriver) -> None:
    for id in ("a", "b"):
        driver.create(id)
    driver.create("c", owner="otto")
    driver.cancel("b")
    assert driver.read(read.counts) == {
        **dict.fromkeys(JobStatus, 0),
        JobStatus.PENDING: 2,
        JobStatus.CANCELLED: 1,
    }
    assert driver.read(read.counts, "otto")[JobStatus.PENDING] == 1


def test_stored_audio_is_needed_while_a_job_that_has_it_is_under_way(driver: StoreDriver) -> None:
    driver.create(audio=None, source=Source(SourceKind.URL, "https://example.org/a.wav"))
    assert not driver.read(read.needs_stored_audio)
    driver.create("upload", priority=1)
    assert driver.read(read.needs_stored_audio)
    lease = driver.claim().lease
    assert lease.job_id == "upload"
    assert driver.read(read.needs_stored_audio)
    for _ in range(3):
        driver.fail(lease)
        if (claim := driver.try_claim()) is not None:
            lease = claim.lease
    assert not driver.read(read.needs_stored_audio), "a job that has ended needs none"
    driver.create(audio=None, source=Source(SourceKind.OBJECT, "upload/0-upload"))
    assert driver.read(read.needs_stored_audio)
