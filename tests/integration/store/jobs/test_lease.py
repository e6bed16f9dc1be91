"""The fence, the retry budget, and what happens to jobs whose worker is gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dictograph.errors import LeaseLost
from dictograph.job import FrozenEngine, JobStatus, Lease, StoredAudio
from dictograph.store import outbox
from dictograph.store.jobs import control, finish, lease, progress
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.jobs.rows import find
from tests.integration.store.store_driver import AT_ONCE, OOPS, StoreDriver, result

FENCED: dict[str, Callable[..., Any]] = {
    "record_audio": lambda c, held: progress.record_audio(c, held, StoredAudio("x", "y", 1)),
    "freeze_engine": lambda c, held: progress.freeze_engine(c, held, FrozenEngine("a", "b", "c"), [{"code": "w"}]),
    "freeze_language": lambda c, held: progress.freeze_language(c, held, "en", 0.9),
    "plan_windows": lambda c, held: progress.plan_windows(c, held, [PlannedWindow(1, 10, 20, "s")], 20.0),
    "finish_plan": lambda c, held: progress.finish_plan(c, held, 10.0, [{"code": "w"}]),
    "restart_windows": lambda c, held: progress.restart_windows(c, held, "audio_changed", "other samples"),
    "commit_windows": lambda c, held: progress.commit_windows(c, held, [(0, result("late"))]),
    "complete": finish.complete,
    "fail": lambda c, held: finish.fail(c, held, OOPS, True, AT_ONCE),
    "release": finish.release,
}


@pytest.mark.parametrize("name", FENCED)
@pytest.mark.parametrize("how", ["cancelled", "lost", "claimed by another", "wrong token", "removed"])
def test_a_stale_lease_writes_nothing(driver: StoreDriver, name: str, how: str) -> None:
    held = driver.running()
    driver.plan(held, 1)
    if how == "cancelled":
        driver.cancel(held.job_id)
    elif how == "wrong token":
        held = Lease(held.job_id, held.attempt, "stolen")
    elif how == "removed":
        driver.write(control.remove, None, held.job_id)
    else:
        driver.expire_lease(held.job_id)
        driver.lose()
        if how == "claimed by another":
            driver.claim()
    before = driver.events(held.job_id)
    with pytest.raises(LeaseLost):
        driver.write(FENCED[name], held)
    assert driver.events(held.job_id) == before
    if how != "removed":
        assert driver.job(held.job_id).last_seq == len(before)
        assert not driver.job(held.job_id).plan_complete


def test_fence_gives_the_number_of_the_first_new_event(driver: StoreDriver) -> None:
    held = driver.running()
    assert driver.job(held.job_id).last_seq == 2
    assert driver.write(lease.fence, held, 3, priority=7) == 3
    assert driver.job(held.job_id).last_seq == 5
    assert driver.job(held.job_id).priority == 7


def test_renewal_names_the_jobs_that_are_still_owned(driver: StoreDriver) -> None:
    kept, lost = driver.running(), driver.running()
    driver.cancel(lost.job_id)
    before = driver.column(kept.job_id, "lease_expires_at")
    assert driver.read(lease.still_held, [kept, lost]) == {kept.job_id}
    assert driver.write(lease.renew, [kept, lost], 500) == {kept.job_id}
    assert driver.column(kept.job_id, "lease_expires_at") > before + 400
    assert driver.write(lease.renew, [], 500) == set()


def test_a_lease_past_its_end_can_be_renewed_until_it_is_lost(driver: StoreDriver) -> None:
    held = driver.running()
    driver.expire_lease(held.job_id)
    assert driver.write(lease.renew, [held], 60) == {held.job_id}
    assert driver.lose() == []


def test_lost_leases_are_counted_until_the_job_is_dead(driver: StoreDriver) -> None:
    made = driver.create(max_attempts=3)
    for attempt in range(1, 4):
        assert driver.claim().job.attempt == attempt
        driver.expire_lease(made.id)
        assert driver.lose() == [made.id]
    job = driver.job(made.id)
    assert (job.status, job.failures, job.dead) == (JobStatus.FAILED, 3, True)
    assert job.error is not None
    assert job.error.code == "worker_lost"
    assert driver.log(made.id) == ["created", *["started", "retrying"] * 2, "started", "failed"]
    assert driver.events(made.id)[-1].data["dead"] is True


def test_the_jobs_of_a_dead_worker_return_at_once(driver: StoreDriver) -> None:
    for _ in range(3):
        driver.create()
    mine, other = driver.claim(worker="dead"), driver.claim(worker="alive")
    assert driver.write(lease.lose_of_workers, ["dead", "nobody"], AT_ONCE) == [mine.job.id]
    assert driver.status(other.job.id) is JobStatus.PROCESSING
    assert driver.job(mine.job.id).failures == 1


def test_a_lease_that_was_renewed_since_it_was_looked_at_is_not_lost(driver: StoreDriver) -> None:
    silent, alive = driver.running(), driver.running()
    seen = driver.read(lease.held_leases)
    assert {one.job_id for one in seen} == {silent.job_id, alive.job_id}
    assert all(50 < one.left <= 60 for one in seen)
    driver.write(lease.renew, [alive], 60)
    assert driver.write(lease.lose_silent, seen, AT_ONCE) == [silent.job_id]
    assert driver.write(lease.lose_silent, seen, AT_ONCE) == []
    assert driver.status(alive.job_id) is JobStatus.PROCESSING


def test_a_new_window_makes_the_budget_whole(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 2)
    driver.fail(held)
    held = driver.claim().lease
    assert driver.job(held.job_id).failures == 1
    driver.commit(held, 0)
    assert driver.job(held.job_id).failures == 0


def test_what_no_retry_helps_fails_for_good(driver: StoreDriver) -> None:
    held = driver.running()
    job = driver.fail(held, retryable=False)
    assert (job.status, job.dead, job.error) == (JobStatus.FAILED, False, OOPS)
    assert driver.events(job.id)[-1].data == {
        "error": {"code": OOPS.code, "message": OOPS.message, "stage": OOPS.stage},
        "dead": False,
    }


def test_a_release_costs_nothing_and_keeps_the_place(driver: StoreDriver) -> None:
    held = driver.running()
    driver.create("later")
    job = driver.write(finish.release, held)
    assert (job.status, job.failures) == (JobStatus.PENDING, 0)
    assert driver.claim().job.id == held.job_id


def test_every_return_to_pending_has_its_wake_up(driver: StoreDriver) -> None:
    held = driver.running()
    driver.write(finish.release, held)
    driver.fail(driver.claim().lease)
    driver.cancel(held.job_id)
    driver.retry(held.job_id)
    ids = []
    while messages := driver.read(outbox.due, 10):
        assert len(messages) == 1, "one at a time, in order"
        ids.append(messages[0].message_id)
        driver.write(outbox.mark_sent, [messages[0].id])
    pending_at = [e.seq for e in driver.events(held.job_id) if e.type in ("created", "released", "retrying", "retried")]
    assert ids == [f"{held.job_id}:dispatch:{seq}" for seq in pending_at]


def test_an_outside_write_names_the_state_it_saw(driver: StoreDriver) -> None:
    """The reaper looked, the worker was quicker and the job was claimed again: the reaper's write is void."""
    held = driver.running()
    seen = driver.read(find, None, held.job_id)
    driver.write(finish.release, held)
    again = driver.claim()
    assert again.job.status is seen.status
    assert driver.write(lease.end_attempt, seen, OOPS, AT_ONCE) is None
    assert driver.job(held.job_id).failures == 0
    assert driver.write(lease.renew, [again.lease], 60) == {held.job_id}


def test_what_a_worker_holds_and_knows_nothing_of_is_given_back_uncharged(driver: StoreDriver) -> None:
    """The answer to a claim got lost with the connection; its commit did not."""
    for _ in range(3):
        driver.create()
    known, unknown, other = driver.claim(worker="w1"), driver.claim(worker="w1"), driver.claim(worker="w2")
    assert driver.write(finish.release_unknown, "w1", [known.lease.token]) == [unknown.job.id]
    assert driver.write(finish.release_unknown, "w1", [known.lease.token]) == []
    assert [driver.status(one.job.id) for one in (known, other)] == [JobStatus.PROCESSING] * 2
    job = driver.job(unknown.job.id)
    assert (job.status, job.failures) == (JobStatus.PENDING, 0)
    assert driver.log(job.id) == ["created", "started", "released"]
    assert driver.write(finish.release_unknown, "w2", []) == [other.job.id]
