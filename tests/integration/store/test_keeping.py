"""Idempotency keys, the outbox, workers, retention."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from dictograph.errors import QueueFull
from dictograph.job import ErrorRecord, Source, SourceKind
from dictograph.service.auth.quota import check_queue
from dictograph.store import events, outbox, workers
from dictograph.store.jobs import prune
from dictograph.store.jobs.lease import fence
from dictograph.store.jobs.prune import Pruned
from dictograph.store.jobs.read import oldest_wait
from dictograph.store.tables import dead_letter, job, worker
from dictograph.store.workers import WorkerState
from tests.integration.store.store_driver import StoreDriver


def test_a_postponed_message_waits_and_holds_back_the_next(driver: StoreDriver) -> None:
    held = driver.running()
    driver.fail(held)
    [first] = driver.read(outbox.due, 10)
    driver.write(outbox.postpone, first.id, 60.0, "broker away")
    assert driver.read(outbox.due, 10) == []
    driver.write(outbox.postpone, first.id, -1.0, "broker away")
    [again] = driver.read(outbox.due, 10)
    assert (again.id, again.message_id, again.attempts) == (first.id, first.message_id, 2)
    assert again.payload == {"job_id": held.job_id}


def test_what_cannot_be_sent_is_buried_and_the_next_goes_on(driver: StoreDriver) -> None:
    held = driver.running()
    driver.fail(held)
    [first] = driver.read(outbox.due, 10)
    driver.write(outbox.add_dead_letter, first.id, ErrorRecord("publish_failed", "Too large.", "PUBLISH"))
    driver.write(outbox.add_dead_letter, first.id, ErrorRecord("publish_failed", "Too large.", "PUBLISH"))
    [letter] = driver.read(lambda c: c.execute(select(dead_letter)).all())
    assert (letter.job_id, letter.message_id, letter.stage) == (held.job_id, first.message_id, "PUBLISH")
    assert letter.payload == first.payload
    assert [m.id for m in driver.read(outbox.due, 10)] != [first.id]


def test_due_messages_are_limited_and_oldest_first(driver: StoreDriver) -> None:
    made = [driver.create().id for _ in range(4)]
    assert [m.job_id for m in driver.read(outbox.due, 3)] == made[:3]
    driver.write(outbox.mark_sent, [m.id for m in driver.read(outbox.due, 3)])
    assert [m.job_id for m in driver.read(outbox.due, 3)] == made[3:]


def test_workers_are_seen_while_they_announce_themselves(driver: StoreDriver) -> None:
    started = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    driver.write(workers.announce, WorkerState("w1", "host", 7, started, {"running": 1}))
    driver.write(workers.announce, WorkerState("w2", "host", 8, started))
    driver.write(workers.announce, WorkerState("w1", "host", 7, started, {"running": 2}))
    first, second = driver.read(workers.list_alive, 60)
    assert (first.id, first.started_at, first.state, second.id) == ("w1", started, {"running": 2}, "w2")
    assert first.seen_at is not None
    assert abs((first.seen_at - datetime.now(UTC)).total_seconds()) < 60
    driver.write(lambda c: c.execute(update(worker).where(worker.c.id == "w1").values(seen_at=1.0)))
    assert [w.id for w in driver.read(workers.list_alive, 60)] == ["w2"]
    driver.write(workers.forget, ["w2", "nobody"])
    assert driver.read(workers.list_alive, 60) == []


def _ended(driver: StoreDriver, count: int) -> list[str]:
    for number in range(count):
        driver.create(f"ended-{number}")
        driver.cancel(f"ended-{number}")
    return [f"ended-{number}" for number in range(count)]


def test_audio_is_pruned_from_ended_jobs_only(driver: StoreDriver) -> None:
    ended = _ended(driver, 3)
    driver.create("waiting")
    driver.create("no-audio", audio=None, source=Source(SourceKind.URL, "https://example.org/a"))
    assert driver.write(prune.prune_audio, 60.0, 10) == Pruned(more=False), "they ended just now"
    assert driver.write(prune.prune_audio, -1.0, 2) == Pruned(True, [f"{id}/0-audio" for id in ended[:2]])
    assert driver.write(prune.prune_audio, -1.0, 2) == Pruned(False, [f"{ended[2]}/0-audio"])
    assert driver.job(ended[0]).audio is None
    assert driver.job("waiting").audio is not None
    names = [f"{ended[0]}/0-audio", "waiting/0-audio", "nobody/0-audio"]
    assert driver.read(prune.unnamed, names) == [names[0], names[2]]


def test_jobs_are_pruned_with_all_they_have(driver: StoreDriver) -> None:
    ended = _ended(driver, 2)
    driver.create("waiting")
    assert driver.write(prune.prune_jobs, 60.0, 10) == Pruned(more=False)
    assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(False, [f"{id}/0-audio" for id in ended])
    assert driver.read(events.last_seqs, [*ended, "waiting"]) == {"waiting": 1}


def test_pruned_events_leave_their_numbers(driver: StoreDriver) -> None:
    ended = _ended(driver, 2)
    driver.write(prune.prune_events, 60.0, 10)
    assert driver.log(ended[0]) == ["created", "cancelled"]
    assert driver.write(prune.prune_events, -1.0, 1).more
    assert (driver.log(ended[0]), driver.log(ended[1])) == ([], ["created", "cancelled"])
    assert not driver.write(prune.prune_events, -1.0, 10).more
    assert driver.log(ended[1]) == []
    assert driver.read(events.last_seqs, ended) == dict.fromkeys(ended, 2)
    driver.retry(ended[0])
    assert driver.read(events.first_seq, ended[0]) == 3
    driver.cancel(ended[0])
    driver.write(prune.prune_events, -1.0, 10)
    assert driver.log(ended[0]) == [], "a job that ran again is pruned again"


def _with_many_events(driver: StoreDriver, count: int) -> str:
    """A job that ended before all others, and so is due first."""
    lease = driver.running(id="long")
    driver.plan(lease, 2)
    driver.commit(lease, 0)
    more: list[tuple[str, dict[str, Any]]] = [("said", {})] * (count - len(driver.log("long")) - 1)
    driver.write(lambda c: events.append(c, "long", fence(c, lease, len(more)), more))
    driver.cancel("long")
    assert len(driver.log("long")) == count
    return "long"


def test_jobs_with_much_go_few_at_a_time(driver: StoreDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_MOST_ROWS", 5)
    ended = _ended(driver, 5)
    assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(True, [f"{id}/0-audio" for id in ended[:2]])
    assert driver.write(prune.prune_events, -1.0, 10).more
    assert [len(driver.log(id)) for id in ended] == [0, 0, 0, 0, 2]
    assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(False, [f"{id}/0-audio" for id in ended[2:]])


def test_a_job_with_very_many_events_goes_a_part_at_a_time(
    driver: StoreDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prune, "_MOST_ROWS", 10)
    long = _with_many_events(driver, 25)
    ended = _ended(driver, 1)
    for left in (15, 5):
        assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(more=True)
        assert [one.seq for one in driver.events(long)] == list(range(26 - left, 26)), "the oldest go first"
        assert driver.job(long).windows_done == 1
    assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(True, ["long/0-audio"])
    assert driver.write(prune.prune_jobs, -1.0, 10) == Pruned(False, [f"{ended[0]}/0-audio"])
    assert driver.read(events.last_seqs, [long, *ended]) == {}


def test_very_many_events_of_a_job_go_a_part_at_a_time(driver: StoreDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune, "_MOST_ROWS", 10)
    long = _with_many_events(driver, 25)
    left = []
    while driver.write(prune.prune_events, -1.0, 10).more:
        left.append(len(driver.log(long)))
    assert (left, driver.log(long), driver.job(long).last_seq) == ([15, 5], [], 25)


def test_a_full_queue_says_when_to_try_again_by_the_pace_of_the_last_jobs(driver: StoreDriver) -> None:
    driver.whole(driver.running())
    driver.write(lambda c: c.execute(update(job).values(processing_seconds=8.0)))
    for _ in range(2):
        driver.running()
    driver.create()
    driver.read(check_queue, 2)
    driver.read(check_queue, 0)
    with pytest.raises(QueueFull) as full:
        driver.read(check_queue, 1)
    assert full.value.retry_after == 4.0, "two at once, eight seconds each"
    assert driver.read(oldest_wait) < 60
    assert driver.read(oldest_wait, "nobody") == 0
