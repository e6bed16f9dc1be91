"""Cancel, retry, remove; and who may."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from dictograph.errors import JobStateConflict, NotFound
from dictograph.job import JobStatus, Source, SourceKind
from dictograph.store import events, idempotency, outbox
from dictograph.store.jobs import control, prune, read
from dictograph.store.tables import metadata
from tests.integration.store.store_driver import OOPS, StoreDriver


def test_cancel_ends_a_pending_and_a_running_job(bench: StoreDriver) -> None:
    bench.create("waiting")
    running = bench.claim().lease.job_id
    bench.create("other")
    for id in (running, "other"):
        job = bench.cancel(id)
        assert job.status is JobStatus.CANCELLED
        assert job.finished_at is not None
        assert bench.log(id)[-1] == "cancelled"
        with pytest.raises(JobStateConflict, match="cancelled already"):
            bench.cancel(id)
    assert bench.try_claim() is None


def test_retry_keeps_what_was_done(bench: StoreDriver) -> None:
    held = bench.running(max_attempts=1)
    bench.plan(held, 2)
    bench.commit(held, 0)
    assert bench.fail(held).dead
    job = bench.retry(held.job_id)
    assert (job.status, job.failures, job.error, job.windows_done) == (JobStatus.PENDING, 0, None, 1)
    claim = bench.claim()
    assert claim.job.attempt == 2
    bench.commit(claim.lease, 1)
    [window] = bench.read(read.windows, held.job_id)
    assert window.result is not None
    assert window.result["segments"][0]["text"] == "text 0"


def test_only_what_failed_or_was_cancelled_is_run_again(bench: StoreDriver) -> None:
    bench.create("a")
    with pytest.raises(JobStateConflict, match="pending"):
        bench.retry("a")
    held = bench.claim().lease
    with pytest.raises(JobStateConflict, match="processing"):
        bench.retry("a")
    bench.whole(held)
    with pytest.raises(JobStateConflict, match="completed"):
        bench.retry("a")


def test_an_upload_that_is_gone_cannot_be_run_again_but_a_url_can(bench: StoreDriver) -> None:
    bench.create("upload")
    bench.create("url", source=Source(SourceKind.URL, "https://example.org/a.mp3"))
    for id in ("upload", "url"):
        bench.cancel(id)
    assert len(bench.write(prune.prune_audio, -1.0, 10).objects) == 2
    with pytest.raises(JobStateConflict, match="no longer kept"):
        bench.retry("upload")
    assert bench.retry("url").audio is None


def test_remove_leaves_nothing(bench: StoreDriver) -> None:
    bench.write(idempotency.begin, "local", "key", "p", "a")
    bench.create("a")
    bench.write(idempotency.settle, "local", "key", "a", "f")
    held = bench.claim().lease
    bench.plan(held, 2)
    bench.commit(held, 0)
    bench.fail(held)
    bench.write(outbox.add_dead_letter, bench.read(outbox.due, 1)[0].id, OOPS)
    removed = bench.write(control.remove, "local", "a")
    assert removed.audio is not None
    assert removed.audio.name == "a/0-audio"
    for table in metadata.sorted_tables:
        assert bench.read(lambda c, t=table: c.execute(select(func.count()).select_from(t)).scalar_one()) == 0, (
            table.name
        )
    assert bench.read(events.last_seqs, ["a"]) == {}


@pytest.mark.parametrize("question", [control.cancel, control.retry, control.remove, read.get_job])
def test_what_is_anothers_is_not_there(bench: StoreDriver, query: object) -> None:
    bench.create("a", owner="anna")
    for owner, id in (("otto", "a"), ("anna", "b"), (None, "b")):
        with pytest.raises(NotFound):
            bench.write(query, owner, id)  # type: ignore[arg-type]
