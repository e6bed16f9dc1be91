"""A clock that was set back makes nobody wait longer than the longest wait."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from dictograph.store import outbox, waits
from dictograph.store.clock import now_epoch, read_clock
from dictograph.store.tables import job
from dictograph.store.tables import outbox as messages
from tests.integration.store.bench import Bench

LONGEST = 300.0


def _as_if_created_before_the_clock_was_set_back(conn: Connection, id: str, seconds: float, failures: int = 0) -> None:
    change = update(job).where(job.c.id == id)
    conn.execute(change.values(available_at=now_epoch() + seconds, failures=failures))
    conn.execute(update(messages).where(messages.c.job_id == id).values(available_at=now_epoch() + seconds))


def _wait(bench: Bench, id: str) -> float:
    return float(bench.column(id, "available_at") - bench.read(read_clock))


def test_a_new_job_from_the_future_is_claimed_at_once(bench: Bench) -> None:
    for id, seconds in (("far", 3600.0), ("near", 60.0)):
        bench.create(id)
        bench.write(_as_if_created_before_the_clock_was_set_back, id, seconds)
    assert bench.try_claim() is None
    assert bench.write(waits.cut_short, LONGEST, 60.0) == 2
    assert {bench.claim().job.id, bench.claim().job.id} == {"far", "near"}


def test_a_retry_waits_for_no_longer_than_the_longest_wait(bench: Bench) -> None:
    for id, seconds in (("far", 3600.0), ("near", 60.0)):
        bench.create(id)
        bench.write(_as_if_created_before_the_clock_was_set_back, id, seconds, 1)
    assert bench.write(waits.cut_short, LONGEST, 60.0) == 1
    assert _wait(bench, "far") <= 0
    assert 50 < _wait(bench, "near") <= 60, "this may be what it was told to wait"


def test_messages_are_sent_no_later_than_after_the_longest_wait(bench: Bench) -> None:
    bench.create("far")
    bench.write(_as_if_created_before_the_clock_was_set_back, "far", 3600.0)
    assert bench.read(outbox.due, 10) == []
    bench.write(waits.cut_short, LONGEST, 60.0)
    assert [message.job_id for message in bench.read(outbox.due, 10)] == ["far"]


def test_running_jobs_are_left_as_they_are(bench: Bench) -> None:
    held = bench.running()
    bench.write(_as_if_created_before_the_clock_was_set_back, held.job_id, 3600.0)
    before = bench.read(lambda conn: conn.execute(select(job)).one())
    assert bench.write(waits.cut_short, LONGEST, 60.0) == 0
    assert bench.read(lambda conn: conn.execute(select(job)).one()) == before
