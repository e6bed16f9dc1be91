"""Lists that stay stable while jobs come in, positions in the queue, counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dictograph.errors import InvalidRequest
from dictograph.job import JobStatus, Source, SourceKind
from dictograph.store.jobs import read
from tests.integration.store.store_driver import StoreDriver


def test_pages_are_newest_first_and_stable_while_jobs_come_in(bench: StoreDriver) -> None:
    ids = [bench.create().id for _ in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = bench.read(read.list_jobs, "local", cursor=cursor, limit=3)
        seen += [job.id for job in page.jobs]
        bench.create(f"new-{len(seen)}")
        if (cursor := page.next_cursor) is None:
            break
    assert seen == ids[::-1]


def test_a_page_that_just_fits_has_no_next(bench: StoreDriver) -> None:
    for _ in range(3):
        bench.create()
    assert bench.read(read.list_jobs, None, limit=3).next_cursor is None


def test_filters(bench: StoreDriver) -> None:
    first = bench.create("a")
    dead = bench.claim().lease
    for _ in range(2):
        bench.fail(dead)
        dead = bench.claim().lease
    bench.fail(dead)
    bench.create("b", owner="otto")
    bench.create("c")
    bench.cancel("c")
    bench.create("d")
    refused = bench.claim(worker="w")
    bench.fail(refused.lease, retryable=False)

    def ids(**filters: object) -> list[str]:
        owner = filters.pop("owner", None)
        return [job.id for job in bench.read(read.list_jobs, owner, **filters).jobs]

    failed_not_dead = refused.job.id
    assert ids(dead=True) == ["a"]
    assert set(ids(statuses=[JobStatus.FAILED])) == {"a", failed_not_dead}
    assert set(ids(statuses=[JobStatus.FAILED, JobStatus.CANCELLED])) == {"a", failed_not_dead, "c"}
    assert set(ids(owner="otto")) == {"b"}
    assert "a" not in ids(created_after=first.created_at)
    assert ids(created_before=first.created_at) == []
    assert ids(created_before=first.created_at + timedelta(microseconds=1)) == ["a"]


@pytest.mark.parametrize("cursor", ["x", "e30", "bnVsbA", "WzEsMl0", "ä", "WyIyMDI2LTAxLTAxIiwiYSJd", "A" * 999])
def test_a_cursor_that_is_none_is_refused(bench: StoreDriver, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        bench.read(read.list_jobs, "local", cursor=cursor)


def test_positions_follow_priority_and_age(bench: StoreDriver) -> None:
    for id in ("a", "b"):
        bench.create(id)
    bench.create("urgent", priority=1)
    positions = {id: bench.read(read.queue_position, id) for id in ("urgent", "a", "b", "nobody")}
    assert positions == {"urgent": 1, "a": 2, "b": 3, "nobody": None}
    assert bench.claim().job.id == "urgent"
    assert bench.read(read.queue_position, "urgent") is None
    assert bench.read(read.queue_position, "a") == 1


def test_counts_name_every_state(bench: StoreDriver) -> None:
    for id in ("a", "b"):
        bench.create(id)
    bench.create("c", owner="otto")
    bench.cancel("b")
    assert bench.read(read.counts) == {
        **dict.fromkeys(JobStatus, 0),
        JobStatus.PENDING: 2,
        JobStatus.CANCELLED: 1,
    }
    assert bench.read(read.counts, "otto")[JobStatus.PENDING] == 1


def test_stored_audio_is_needed_while_a_job_that_has_it_is_under_way(bench: StoreDriver) -> None:
    bench.create(audio=None, source=Source(SourceKind.URL, "https://example.org/a.wav"))
    assert not bench.read(read.needs_stored_audio)
    bench.create("upload", priority=1)
    assert bench.read(read.needs_stored_audio)
    lease = bench.claim().lease
    assert lease.job_id == "upload"
    assert bench.read(read.needs_stored_audio)
    for _ in range(3):
        bench.fail(lease)
        if (claim := bench.try_claim()) is not None:
            lease = claim.lease
    assert not bench.read(read.needs_stored_audio), "a job that has ended needs none"
    bench.create(audio=None, source=Source(SourceKind.OBJECT, "upload/0-upload"))
    assert bench.read(read.needs_stored_audio)
