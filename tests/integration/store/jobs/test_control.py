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


def test_cancel_ends_a_pending_and_a_running_job(driver: StoreDriver) -> None:
    driver.create("waiting")
    running = driver.claim().lease.job_id
    driver.create("other")
    for id in (running, "other"):
        job = driver.cancel(id)
        assert job.status is JobStatus.CANCELLED
        assert job.finished_at is not None
        assert driver.log(id)[-1] == "cancelled"
        with pytest.raises(JobStateConflict, match="cancelled already"):
            driver.cancel(id)
    assert driver.try_claim() is None


def test_retry_keeps_what_was_done(driver: StoreDriver) -> None:
    held = driver.running(max_attempts=1)
    driver.plan(held, 2)
    driver.commit(held, 0)
    assert driver.fail(held).dead
    job = driver.retry(held.job_id)
    assert (job.status, job.failures, job.error, job.windows_done) == (JobStatus.PENDING, 0, None, 1)
    claim = driver.claim()
    assert claim.job.attempt == 2
    driver.commit(claim.lease, 1)
    window, _ = driver.read(read.windows, held.job_id)
    assert window.result is not None
    assert window.result["segments"][0]["text"] == "text 0"


def test_only_what_failed_or_was_cancelled_is_run_again(driver: StoreDriver) -> None:
    driver.create("a")
    with pytest.raises(JobStateConflict, match="pending"):
        driver.retry("a")
    held = driver.claim().lease
    with pytest.raises(JobStateConflict, match="processing"):
        driver.retry("a")
    driver.whole(held)
    with pytest.raises(JobStateConflict, match="completed"):
        driver.retry("a")


def test_an_upload_that_is_gone_cannot_be_run_again_but_a_url_can(driver: StoreDriver) -> None:
    driver.create("upload")
    driver.create("url", source=Source(SourceKind.URL, "https://example.org/a.mp3"))
    for id in ("upload", "url"):
        driver.cancel(id)
    assert len(driver.write(prune.prune_audio, -1.0, 10).objects) == 2
    with pytest.raises(JobStateConflict, match="no longer kept"):
        driver.retry("upload")
    assert driver.retry("url").audio is None


def test_remove_leaves_nothing(driver: StoreDriver) -> None:
    driver.write(idempotency.begin, "local", "key", "p", "a")
    driver.create("a")
    driver.write(idempotency.settle, "local", "key", "a", "f")
    held = driver.claim().lease
    driver.plan(held, 2)
    driver.commit(held, 0)
    driver.fail(held)
    driver.write(outbox.add_dead_letter, driver.read(outbox.due, 1)[0].id, OOPS)
    removed = driver.write(control.remove, "local", "a")
    assert removed.audio is not None
    assert removed.audio.name == "a/0-audio"
    for table in metadata.sorted_tables:
        if table.name == "storage_mark":  # of the storage, and not of a job
            continue
        assert driver.read(lambda c, t=table: c.execute(select(func.count()).select_from(t)).scalar_one()) == 0, (
            table.name
        )
    assert driver.read(events.last_seqs, ["a"]) == {}


@pytest.mark.parametrize("query", [control.cancel, control.retry, control.remove, read.get_job])
def test_what_is_anothers_is_not_there(driver: StoreDriver, query: object) -> None:
    driver.create("a", owner="anna")
    for owner, id in (("otto", "a"), ("anna", "b"), (None, "b")):
        with pytest.raises(NotFound):
            driver.write(query, owner, id)  # type: ignore[arg-type]
