"""Webhooks in the store: written with the end that they tell of, sent, recorded, told again. On every database."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from dictograph.errors import InvalidRequest, JobStateConflict, NotFound
from dictograph.job import ErrorRecord, Lease
from dictograph.net.addresses import AllowList
from dictograph.store import clock_skew, outbox
from dictograph.store.clock import as_datetime, now_epoch
from dictograph.store.database import Database
from dictograph.store.jobs import control, finish, prune
from dictograph.store.tables import api_key, dead_letter, event, webhook_delivery
from dictograph.store.tables import outbox as messages
from dictograph.store.webhooks import deliveries, delivery_log, receiver_secrets
from dictograph.store.webhooks.deliveries import Attempt, Due
from dictograph.store.webhooks.delivery_log import Wanted
from dictograph.webhooks.delivery import Delivery, DeliveryState
from dictograph.webhooks.schedule import LONGEST_WAIT_S
from dictograph.webhooks.sender import WebhookSender
from dictograph.worker.webhooks import WebhookRelay
from tests.integration.store.store_driver import AT_ONCE, StoreDriver
from tests.receiver import Receiver, receiving

URL = "https://receiver.example/hook?token=abc"
DELIVERED = Attempt(DeliveryState.DELIVERED, 204)
GONE = Attempt(DeliveryState.GONE, 410, "The receiver answered 410 (Gone).")
FAILED = Attempt(DeliveryState.FAILED, 500, "The receiver answered 500.")


def later(seconds: float = 60.0) -> Attempt:
    return Attempt(DeliveryState.PENDING, 503, "The receiver answered 503.", seconds)


def due(bench: StoreDriver) -> list[Due]:
    return bench.read(deliveries.due, 100)


def log(bench: StoreDriver, owner: str | None = None, **wanted: Any) -> list[Delivery]:
    return bench.read(delivery_log.list_deliveries, owner, Wanted(**wanted)).deliveries


def ended(bench: StoreDriver, **values: Any) -> Due:
    """A job that was cancelled, and what is to be told of it."""
    job = bench.create(webhook_url=URL, **values)
    bench.cancel(job.id)
    [told] = [one for one in due(bench) if one.job_id == job.id]
    return told


def key(bench: StoreDriver, id: str, owner: str = "local", url: str | None = URL) -> str:
    values: dict[str, Any] = {"name": id, "hash": id, "scopes": [], "rate_limits": [], "webhook_url": url}
    new = insert(api_key).values(id=id, owner=owner, created_at=as_datetime(0), **values)
    bench.write(lambda conn: conn.execute(new))
    return id


def url_of(bench: StoreDriver, id: str) -> str | None:
    query = select(api_key.c.webhook_url).where(api_key.c.id == id)
    return bench.read(lambda conn: conn.execute(query).scalar_one())


def test_a_completed_job_is_told(bench: StoreDriver) -> None:
    lease = bench.running(webhook_url=URL, metadata={"case": 17})
    assert due(bench) == []
    bench.whole(lease)
    [told] = due(bench)
    assert (told.url, told.owner, told.attempts, told.type) == (URL, "local", 0, "transcription.completed")
    assert told.webhook_id.startswith("msg_")
    assert "." not in told.webhook_id
    assert told.payload["type"] == "transcription.completed"
    data = told.payload["data"]
    assert (data["id"], data["status"], data["metadata"]) == (lease.job_id, "completed", {"case": 17})
    assert (data["duration"], data["error"]) == (30.0, None)
    assert data["links"]["transcript"] == f"/v1/transcriptions/{lease.job_id}/transcript"
    assert told.payload["timestamp"] == data["finished_at"]


def test_a_failed_a_dead_and_a_cancelled_job_are_told(bench: StoreDriver) -> None:
    failed = bench.running(id="failed", webhook_url=URL)
    bench.fail(failed, retryable=False)
    bench.running(id="dead", webhook_url=URL, max_attempts=1)
    bench.expire_lease("dead")
    bench.lose()
    bench.create("cancelled", webhook_url=URL)
    bench.cancel("cancelled")
    told = {one.job_id: (one.type, one.payload["data"]["error"]) for one in due(bench)}
    assert told["failed"][0] == told["dead"][0] == "transcription.failed"
    assert told["failed"][1] == {"code": "engine_failed", "message": "It did not work.", "stage": "TRANSCRIBE"}
    assert told["dead"][1]["code"] == "worker_lost"
    assert told["cancelled"] == ("transcription.cancelled", None)


def test_what_is_no_end_is_not_told(bench: StoreDriver) -> None:
    lease = bench.running(webhook_url=URL)
    bench.fail(lease)
    bench.write(finish.release, bench.claim().lease)
    assert log(bench) == []


def test_nothing_is_told_of_a_job_that_nobody_wants_to_hear_of(bench: StoreDriver) -> None:
    bench.whole(bench.running(key_id=key(bench, "mute", url=None)))
    assert log(bench) == []


def test_an_end_that_is_not_committed_is_not_told(bench: StoreDriver) -> None:
    lease = bench.running(webhook_url=URL)
    bench.plan(lease, 1)
    with pytest.raises(Exception, match="cannot be completed"):
        bench.write(finish.complete, lease)
    assert log(bench) == []


def test_the_url_of_the_key_counts_where_the_job_has_none(bench: StoreDriver) -> None:
    id = key(bench, "k1", url="https://key.example/")
    bench.whole(bench.running(id="plain", key_id=id))
    bench.whole(bench.running(id="own", key_id=id, webhook_url=URL))
    assert {one.job_id: one.url for one in due(bench)} == {"plain": "https://key.example/", "own": URL}


def test_the_wake_ups_of_jobs_and_webhooks_do_not_see_each_other(bench: StoreDriver) -> None:
    told = ended(bench)
    wake_ups = bench.read(outbox.due, 100)
    assert [message.destination for message in wake_ups] == ["dispatch"]
    bench.write(deliveries.record, told, later())
    assert [message.id for message in bench.read(outbox.due, 100)] == [message.id for message in wake_ups]
    bench.write(outbox.mark_sent, [message.id for message in wake_ups])
    assert log(bench)[0].state is DeliveryState.PENDING


def test_a_webhook_that_retries_holds_up_no_other_of_its_job(bench: StoreDriver) -> None:
    first = ended(bench, id="job")
    bench.write(deliveries.record, first, later())
    bench.retry("job")
    bench.cancel("job")
    [second] = due(bench)
    assert second.webhook_id != first.webhook_id
    assert "job" in [message.job_id for message in bench.read(outbox.due, 100)]


def test_the_message_is_the_same_at_every_attempt(bench: StoreDriver) -> None:
    first = ended(bench)
    bench.write(deliveries.record, first, later(-1.0))
    [again] = due(bench)
    assert (again.message, again.webhook_id, again.payload) == (first.message, first.webhook_id, first.payload)
    assert again.attempts == 1
    [row] = log(bench)
    assert (row.attempts, row.status_code, row.last_error) == (1, 503, "The receiver answered 503.")
    assert row.next_attempt_at is not None


def test_what_was_delivered_is_over(bench: StoreDriver) -> None:
    told = ended(bench)
    bench.write(deliveries.record, told, later(-1.0))
    bench.write(deliveries.record, told, DELIVERED)
    [row] = log(bench)
    assert (row.state, row.attempts, row.status_code) == (DeliveryState.DELIVERED, 2, 204)
    assert (row.last_error, row.next_attempt_at) == (None, None)
    assert row.attempted_at is not None
    assert due(bench) == []


def test_what_cannot_be_delivered_becomes_a_dead_letter(bench: StoreDriver) -> None:
    told = ended(bench)
    bench.write(deliveries.record, told, FAILED)
    assert log(bench)[0].state is DeliveryState.FAILED
    [letter] = bench.read(lambda conn: conn.execute(select(dead_letter)).all())
    assert (letter.job_id, letter.stage, letter.error_code) == (told.job_id, "PUBLISH", "publish_failed")
    assert letter.destination == f"webhook:{told.delivery_id}"
    assert due(bench) == []


def test_a_receiver_that_is_gone_is_told_no_more(bench: StoreDriver) -> None:
    mine, other = key(bench, "mine"), key(bench, "other", owner="somebody else")
    lease = bench.running(id="job", key_id=mine)
    bench.fail(lease, retryable=False)
    [told] = due(bench)
    bench.write(deliveries.record, told, GONE)
    assert log(bench)[0].state is DeliveryState.GONE
    assert (url_of(bench, mine), url_of(bench, other)) == (None, URL)
    assert bench.read(lambda conn: conn.execute(select(dead_letter)).all()) == [], "it was not lost: it was refused"


def test_a_job_whose_own_receiver_is_gone_is_not_told_again(bench: StoreDriver) -> None:
    bench.write(deliveries.record, ended(bench, id="job"), GONE)
    bench.retry("job")
    bench.cancel("job")
    assert due(bench) == []


def test_only_one_process_sends(bench: StoreDriver, url: str) -> None:
    for _ in range(8):
        ended(bench)
    found = due(bench)
    took: list[set[int]] = []

    def take() -> None:
        database = Database.open(url)
        took.append(database.write_now(lambda conn: deliveries.hold(conn, {one.message: 60.0 for one in found})))
        database.close_now()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(id for ids in took for id in ids) == sorted(one.message for one in found)
    assert due(bench) == []


def test_another_process_sends_when_one_is_no_more(bench: StoreDriver) -> None:
    told = ended(bench)
    assert bench.write(deliveries.hold, {told.message: -1.0}) == {told.message}
    assert due(bench) == [told], "no attempt is counted: there was none"
    assert bench.write(deliveries.hold, {told.message: 60.0}) == {told.message}
    bench.write(deliveries.release, [told.message])
    assert due(bench) == [told]


def test_two_relays_at_once_send_each_once(bench: StoreDriver, url: str) -> None:
    async def run(receiver: Receiver, ids: set[str]) -> None:
        databases = [Database.open(url) for _ in range(2)]
        sender = WebhookSender(AllowList.parse([receiver.authority]), 20.0)
        relays = [asyncio.create_task(WebhookRelay(one, sender, 0.02).run()) for one in databases]
        while {came.id for came in receiver.came} != ids:
            assert not any(relay.done() for relay in relays)
            await asyncio.sleep(0.01)
        for relay in relays:
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        for one in databases:
            await one.close()

    told = [ended(bench) for _ in range(12)]
    with receiving() as receiver:
        change = update(webhook_delivery).values(url=receiver.url("/"))
        bench.write(lambda conn: conn.execute(change))
        asyncio.run(asyncio.wait_for(run(receiver, {one.webhook_id for one in told}), 30))
    assert len(receiver.came) == 12
    assert {row.state for row in log(bench)} == {DeliveryState.DELIVERED}


def test_who_comes_late_changes_nothing(bench: StoreDriver) -> None:
    told = ended(bench)
    bench.write(deliveries.record, told, DELIVERED)
    bench.write(deliveries.record, told, FAILED)
    [row] = log(bench)
    assert (row.state, row.attempts) == (DeliveryState.DELIVERED, 1)


def test_a_job_that_is_removed_takes_its_webhooks_along(bench: StoreDriver) -> None:
    told = ended(bench)
    bench.write(control.remove, None, told.job_id)
    for attempt in (DELIVERED, FAILED, GONE, later()):
        bench.write(deliveries.record, told, attempt)
    assert (due(bench), log(bench)) == ([], [])


@pytest.mark.parametrize("attempt", [DELIVERED, FAILED, GONE, later()], ids=lambda attempt: attempt.state.value)
def test_anything_can_be_told_again(bench: StoreDriver, attempt: Attempt) -> None:
    told = ended(bench)
    bench.write(deliveries.record, told, attempt)
    assert due(bench) == []
    row = bench.write(delivery_log.redeliver, "local", told.delivery_id)
    assert (row.state, row.attempts, row.webhook_id) == (DeliveryState.PENDING, 1, told.webhook_id)
    [again] = due(bench)
    assert (again.webhook_id, again.payload, again.attempts) == (told.webhook_id, told.payload, 0)
    bench.write(deliveries.record, again, DELIVERED)
    assert (log(bench)[0].state, log(bench)[0].attempts) == (DeliveryState.DELIVERED, 2)


def test_telling_again_twice_at_once_is_telling_it_once(bench: StoreDriver) -> None:
    told = ended(bench)
    bench.write(deliveries.record, told, DELIVERED)
    for _ in range(2):
        bench.write(delivery_log.redeliver, None, told.delivery_id)
    assert len(due(bench)) == 1


def test_nobody_else_can_tell_it_again_or_see_it(bench: StoreDriver) -> None:
    told = ended(bench, owner="ann")
    with pytest.raises(NotFound):
        bench.write(delivery_log.redeliver, "bob", told.delivery_id)
    assert log(bench, "bob") == log(bench, "bob", job_id=told.job_id) == []
    assert [row.id for row in log(bench, "ann")] == [row.id for row in log(bench, None)] == [told.delivery_id]


def test_the_log_is_read_page_by_page(bench: StoreDriver) -> None:
    told = [ended(bench, id=f"job-{number}").delivery_id for number in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = bench.read(delivery_log.list_deliveries, "local", Wanted(limit=2, cursor=cursor))
        seen += [row.id for row in page.deliveries]
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(seen) == sorted(told)
    assert [row.job_id for row in log(bench, job_id="job-3")] == ["job-3"]
    bench.write(deliveries.record, due(bench)[0], DELIVERED)
    assert len(log(bench, state=DeliveryState.DELIVERED)) == 1
    with pytest.raises(InvalidRequest):
        log(bench, cursor="nonsense")


def test_the_log_goes_with_the_events_but_for_what_is_still_to_be_told(bench: StoreDriver) -> None:
    over, pending = ended(bench, id="over"), ended(bench, id="pending")
    bench.write(deliveries.record, over, DELIVERED)
    bench.write(prune.prune_events, -1.0, 10)
    assert [row.id for row in log(bench)] == [pending.delivery_id]
    assert bench.read(lambda conn: conn.execute(select(event)).all()) == []


def test_a_clock_that_was_set_back_makes_no_webhook_wait_longer_than_the_schedule(bench: StoreDriver) -> None:
    far, near = ended(bench, id="far"), ended(bench, id="near")
    for told, seconds in ((far, LONGEST_WAIT_S + 60), (near, LONGEST_WAIT_S - 60)):
        change = update(messages).where(messages.c.id == told.message)
        bench.write(lambda conn, c=change, s=seconds: conn.execute(c.values(available_at=now_epoch() + s)))
    bench.write(clock_skew.clamp_delays, 300.0, 60.0)
    assert [one.job_id for one in due(bench)] == ["far"]


def test_a_job_that_has_ended_is_not_told_twice(bench: StoreDriver) -> None:
    told = ended(bench)
    with pytest.raises(JobStateConflict):
        bench.cancel(told.job_id)
    assert len(log(bench)) == 1


def test_errors_and_names_of_any_length_are_told_shortly(bench: StoreDriver) -> None:
    lease: Lease = bench.running(webhook_url=URL)
    bench.write(finish.fail, lease, ErrorRecord("decode_failed", "x" * 100_000), False, AT_ONCE)
    assert len(str(due(bench)[0].payload)) < 3000


# --- secrets


def secrets(bench: StoreDriver, owner: str = "local") -> list[str]:
    return [one.secret for one in bench.read(receiver_secrets.secrets_of, owner)]


def test_an_owner_has_a_secret_of_its_own_from_the_first_time_on(bench: StoreDriver) -> None:
    assert secrets(bench) == []
    [first] = bench.write(receiver_secrets.ensure_secrets, "local")
    assert bench.write(receiver_secrets.ensure_secrets, "local") == [first]
    [other] = bench.write(receiver_secrets.ensure_secrets, "other")
    assert first.secret != other.secret
    assert first.retires_at is None


def test_two_that_make_the_first_secret_at_once_make_one(bench: StoreDriver, url: str) -> None:
    start, found = threading.Barrier(4), set[str]()

    def make() -> None:
        database = Database.open(url)
        start.wait(20)
        found.update(one.secret for one in database.write_now(lambda c: receiver_secrets.ensure_secrets(c, "local")))
        database.close_now()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 1


def test_the_old_secret_signs_beside_the_new_one_for_a_while(bench: StoreDriver) -> None:
    [old] = bench.write(receiver_secrets.ensure_secrets, "local")
    new, retiring = bench.write(receiver_secrets.rotate, "local", 3600.0)
    assert (retiring.secret, new.retires_at) == (old.secret, None)
    assert retiring.retires_at is not None
    assert 3590 < (retiring.retires_at - new.created_at).total_seconds() < 3610
    assert secrets(bench) == [new.secret, old.secret]


def test_a_secret_that_has_become_known_ends_at_once(bench: StoreDriver) -> None:
    bench.write(receiver_secrets.ensure_secrets, "local")
    [new] = bench.write(receiver_secrets.rotate, "local", 0.0)
    assert secrets(bench) == [new.secret]


def test_whoever_rotates_all_the_time_keeps_few(bench: StoreDriver) -> None:
    for _ in range(8):
        newest = bench.write(receiver_secrets.rotate, "local", 3600.0)[0]
    assert len(secrets(bench)) <= 5
    assert secrets(bench)[0] == newest.secret


def test_what_signs_no_more_is_removed(bench: StoreDriver) -> None:
    bench.write(receiver_secrets.ensure_secrets, "local")
    bench.write(receiver_secrets.rotate, "local", 0.001)
    assert bench.write(receiver_secrets.expire) <= 1
    assert len(secrets(bench)) == 1
