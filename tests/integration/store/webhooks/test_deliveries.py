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
from dictograph.worker.relays.webhooks import WebhookRelay
from tests.integration.store.store_driver import AT_ONCE, StoreDriver
from tests.receiver import Receiver, receiving

URL = "https://receiver.example/hook?token=abc"
DELIVERED = Attempt(DeliveryState.DELIVERED, 204)
GONE = Attempt(DeliveryState.GONE, 410, "The receiver answered 410 (Gone).")
FAILED = Attempt(DeliveryState.FAILED, 500, "The receiver answered 500.")


def later(seconds: float = 60.0) -> Attempt:
    return Attempt(DeliveryState.PENDING, 503, "The receiver answered 503.", seconds)


def due(driver: StoreDriver) -> list[Due]:
    return driver.read(deliveries.due, 100)


def log(driver: StoreDriver, owner: str | None = None, **wanted: Any) -> list[Delivery]:
    return driver.read(delivery_log.list_deliveries, owner, Wanted(**wanted)).deliveries


def ended(driver: StoreDriver, **values: Any) -> Due:
    """A job that was cancelled, and what is to be told of it."""
    job = driver.create(webhook_url=URL, **values)
    driver.cancel(job.id)
    [told] = [one for one in due(driver) if one.job_id == job.id]
    return told


def key(driver: StoreDriver, id: str, owner: str = "local", url: str | None = URL) -> str:
    values: dict[str, Any] = {"name": id, "hash": id, "scopes": [], "rate_limits": [], "webhook_url": url}
    new = insert(api_key).values(id=id, owner=owner, created_at=as_datetime(0), **values)
    driver.write(lambda conn: conn.execute(new))
    return id


def url_of(driver: StoreDriver, id: str) -> str | None:
    query = select(api_key.c.webhook_url).where(api_key.c.id == id)
    return driver.read(lambda conn: conn.execute(query).scalar_one())


def test_a_completed_job_is_told(driver: StoreDriver) -> None:
    lease = driver.running(webhook_url=URL, metadata={"case": 17})
    assert due(driver) == []
    driver.whole(lease)
    [told] = due(driver)
    assert (told.url, told.owner, told.attempts, told.type) == (URL, "local", 0, "transcription.completed")
    assert told.webhook_id.startswith("msg_")
    assert "." not in told.webhook_id
    assert told.payload["type"] == "transcription.completed"
    data = told.payload["data"]
    assert (data["id"], data["status"], data["metadata"]) == (lease.job_id, "completed", {"case": 17})
    assert (data["duration"], data["error"]) == (30.0, None)
    assert data["links"]["transcript"] == f"/v1/transcriptions/{lease.job_id}/transcript"
    assert told.payload["timestamp"] == data["finished_at"]


def test_a_failed_a_dead_and_a_cancelled_job_are_told(driver: StoreDriver) -> None:
    failed = driver.running(id="failed", webhook_url=URL)
    driver.fail(failed, retryable=False)
    driver.running(id="dead", webhook_url=URL, max_attempts=1)
    driver.expire_lease("dead")
    driver.lose()
    driver.create("cancelled", webhook_url=URL)
    driver.cancel("cancelled")
    told = {one.job_id: (one.type, one.payload["data"]["error"]) for one in due(driver)}
    assert told["failed"][0] == told["dead"][0] == "transcription.failed"
    assert told["failed"][1] == {"code": "engine_failed", "message": "It did not work.", "stage": "TRANSCRIBE"}
    assert told["dead"][1]["code"] == "worker_lost"
    assert told["cancelled"] == ("transcription.cancelled", None)


def test_what_is_no_end_is_not_told(driver: StoreDriver) -> None:
    lease = driver.running(webhook_url=URL)
    driver.fail(lease)
    driver.write(finish.release, driver.claim().lease)
    assert log(driver) == []


def test_nothing_is_told_of_a_job_that_nobody_wants_to_hear_of(driver: StoreDriver) -> None:
    driver.whole(driver.running(key_id=key(driver, "mute", url=None)))
    assert log(driver) == []


def test_an_end_that_is_not_committed_is_not_told(driver: StoreDriver) -> None:
    lease = driver.running(webhook_url=URL)
    driver.plan(lease, 1)
    with pytest.raises(Exception, match="cannot be completed"):
        driver.write(finish.complete, lease)
    assert log(driver) == []


def test_the_url_of_the_key_counts_where_the_job_has_none(driver: StoreDriver) -> None:
    id = key(driver, "k1", url="https://key.example/")
    driver.whole(driver.running(id="plain", key_id=id))
    driver.whole(driver.running(id="own", key_id=id, webhook_url=URL))
    assert {one.job_id: one.url for one in due(driver)} == {"plain": "https://key.example/", "own": URL}


def test_the_wake_ups_of_jobs_and_webhooks_do_not_see_each_other(driver: StoreDriver) -> None:
    told = ended(driver)
    wake_ups = driver.read(outbox.due, 100)
    assert [message.destination for message in wake_ups] == ["dispatch"]
    driver.write(deliveries.record, told, later())
    assert [message.id for message in driver.read(outbox.due, 100)] == [message.id for message in wake_ups]
    driver.write(outbox.mark_sent, [message.id for message in wake_ups])
    assert log(driver)[0].state is DeliveryState.PENDING


def test_a_webhook_that_retries_holds_up_no_other_of_its_job(driver: StoreDriver) -> None:
    first = ended(driver, id="job")
    driver.write(deliveries.record, first, later())
    driver.retry("job")
    driver.cancel("job")
    [second] = due(driver)
    assert second.webhook_id != first.webhook_id
    assert "job" in [message.job_id for message in driver.read(outbox.due, 100)]


def test_the_message_is_the_same_at_every_attempt(driver: StoreDriver) -> None:
    first = ended(driver)
    driver.write(deliveries.record, first, later(-1.0))
    [again] = due(driver)
    assert (again.message, again.webhook_id, again.payload) == (first.message, first.webhook_id, first.payload)
    assert again.attempts == 1
    [row] = log(driver)
    assert (row.attempts, row.status_code, row.last_error) == (1, 503, "The receiver answered 503.")
    assert row.next_attempt_at is not None


def test_what_was_delivered_is_over(driver: StoreDriver) -> None:
    told = ended(driver)
    driver.write(deliveries.record, told, later(-1.0))
    driver.write(deliveries.record, told, DELIVERED)
    [row] = log(driver)
    assert (row.state, row.attempts, row.status_code) == (DeliveryState.DELIVERED, 2, 204)
    assert (row.last_error, row.next_attempt_at) == (None, None)
    assert row.attempted_at is not None
    assert due(driver) == []


def test_what_cannot_be_delivered_becomes_a_dead_letter(driver: StoreDriver) -> None:
    told = ended(driver)
    driver.write(deliveries.record, told, FAILED)
    assert log(driver)[0].state is DeliveryState.FAILED
    [letter] = driver.read(lambda conn: conn.execute(select(dead_letter)).all())
    assert (letter.job_id, letter.stage, letter.error_code) == (told.job_id, "PUBLISH", "publish_failed")
    assert letter.destination == f"webhook:{told.delivery_id}"
    assert due(driver) == []


def test_a_receiver_that_is_gone_is_told_no_more(driver: StoreDriver) -> None:
    mine, other = key(driver, "mine"), key(driver, "other", owner="somebody else")
    lease = driver.running(id="job", key_id=mine)
    driver.fail(lease, retryable=False)
    [told] = due(driver)
    driver.write(deliveries.record, told, GONE)
    assert log(driver)[0].state is DeliveryState.GONE
    assert (url_of(driver, mine), url_of(driver, other)) == (None, URL)
    assert driver.read(lambda conn: conn.execute(select(dead_letter)).all()) == [], "it was not lost: it was refused"


def test_a_job_whose_own_receiver_is_gone_is_not_told_again(driver: StoreDriver) -> None:
    driver.write(deliveries.record, ended(driver, id="job"), GONE)
    driver.retry("job")
    driver.cancel("job")
    assert due(driver) == []


def test_only_one_process_sends(driver: StoreDriver, url: str) -> None:
    for _ in range(8):
        ended(driver)
    found = due(driver)
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
    assert due(driver) == []


def test_another_process_sends_when_one_is_no_more(driver: StoreDriver) -> None:
    told = ended(driver)
    assert driver.write(deliveries.hold, {told.message: -1.0}) == {told.message}
    assert due(driver) == [told], "no attempt is counted: there was none"
    assert driver.write(deliveries.hold, {told.message: 60.0}) == {told.message}
    driver.write(outbox.release, [told.message])
    assert due(driver) == [told]


def test_two_relays_at_once_send_each_once(driver: StoreDriver, url: str) -> None:
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

    told = [ended(driver) for _ in range(12)]
    with receiving() as receiver:
        change = update(webhook_delivery).values(url=receiver.url("/"))
        driver.write(lambda conn: conn.execute(change))
        asyncio.run(asyncio.wait_for(run(receiver, {one.webhook_id for one in told}), 30))
    assert len(receiver.came) == 12
    assert {row.state for row in log(driver)} == {DeliveryState.DELIVERED}


def test_who_comes_late_changes_nothing(driver: StoreDriver) -> None:
    told = ended(driver)
    driver.write(deliveries.record, told, DELIVERED)
    driver.write(deliveries.record, told, FAILED)
    [row] = log(driver)
    assert (row.state, row.attempts) == (DeliveryState.DELIVERED, 1)


def test_a_job_that_is_removed_takes_its_webhooks_along(driver: StoreDriver) -> None:
    told = ended(driver)
    driver.write(control.remove, None, told.job_id)
    for attempt in (DELIVERED, FAILED, GONE, later()):
        driver.write(deliveries.record, told, attempt)
    assert (due(driver), log(driver)) == ([], [])


@pytest.mark.parametrize("attempt", [DELIVERED, FAILED, GONE, later()], ids=lambda attempt: attempt.state.value)
def test_anything_can_be_told_again(driver: StoreDriver, attempt: Attempt) -> None:
    told = ended(driver)
    driver.write(deliveries.record, told, attempt)
    assert due(driver) == []
    row = driver.write(delivery_log.redeliver, "local", told.delivery_id)
    assert (row.state, row.attempts, row.webhook_id) == (DeliveryState.PENDING, 1, told.webhook_id)
    [again] = due(driver)
    assert (again.webhook_id, again.payload, again.attempts) == (told.webhook_id, told.payload, 0)
    driver.write(deliveries.record, again, DELIVERED)
    assert (log(driver)[0].state, log(driver)[0].attempts) == (DeliveryState.DELIVERED, 2)


def test_telling_again_twice_at_once_is_telling_it_once(driver: StoreDriver) -> None:
    told = ended(driver)
    driver.write(deliveries.record, told, DELIVERED)
    for _ in range(2):
        driver.write(delivery_log.redeliver, None, told.delivery_id)
    assert len(due(driver)) == 1


def test_nobody_else_can_tell_it_again_or_see_it(driver: StoreDriver) -> None:
    told = ended(driver, owner="ann")
    with pytest.raises(NotFound):
        driver.write(delivery_log.redeliver, "bob", told.delivery_id)
    assert log(driver, "bob") == log(driver, "bob", job_id=told.job_id) == []
    assert [row.id for row in log(driver, "ann")] == [row.id for row in log(driver, None)] == [told.delivery_id]


def test_the_log_is_read_page_by_page(driver: StoreDriver) -> None:
    told = [ended(driver, id=f"job-{number}").delivery_id for number in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = driver.read(delivery_log.list_deliveries, "local", Wanted(limit=2, cursor=cursor))
        seen += [row.id for row in page.deliveries]
        cursor = page.next_cursor
    assert cursor is None
    assert sorted(seen) == sorted(told)
    assert [row.job_id for row in log(driver, job_id="job-3")] == ["job-3"]
    driver.write(deliveries.record, due(driver)[0], DELIVERED)
    assert len(log(driver, state=DeliveryState.DELIVERED)) == 1
    with pytest.raises(InvalidRequest):
        log(driver, cursor="nonsense")


def test_the_log_goes_with_the_events_but_for_what_is_still_to_be_told(driver: StoreDriver) -> None:
    over, pending = ended(driver, id="over"), ended(driver, id="pending")
    driver.write(deliveries.record, over, DELIVERED)
    driver.write(prune.prune_events, -1.0, 10)
    assert [row.id for row in log(driver)] == [pending.delivery_id]
    assert driver.read(lambda conn: conn.execute(select(event)).all()) == []


def test_a_clock_that_was_set_back_makes_no_webhook_wait_longer_than_the_schedule(driver: StoreDriver) -> None:
    far, near = ended(driver, id="far"), ended(driver, id="near")
    for told, seconds in ((far, LONGEST_WAIT_S + 60), (near, LONGEST_WAIT_S - 60)):
        change = update(messages).where(messages.c.id == told.message)
        driver.write(lambda conn, c=change, s=seconds: conn.execute(c.values(available_at=now_epoch() + s)))
    driver.write(clock_skew.clamp_delays, 300.0, 60.0)
    assert [one.job_id for one in due(driver)] == ["far"]


def test_a_job_that_has_ended_is_not_told_twice(driver: StoreDriver) -> None:
    told = ended(driver)
    with pytest.raises(JobStateConflict):
        driver.cancel(told.job_id)
    assert len(log(driver)) == 1


def test_errors_and_names_of_any_length_are_told_shortly(driver: StoreDriver) -> None:
    lease: Lease = driver.running(webhook_url=URL)
    driver.write(finish.fail, lease, ErrorRecord("decode_failed", "x" * 100_000), False, AT_ONCE)
    assert len(str(due(driver)[0].payload)) < 3000


# --- secrets


def secrets(driver: StoreDriver, owner: str = "local") -> list[str]:
    return [one.secret for one in driver.read(receiver_secrets.secrets_of, owner)]


def test_an_owner_has_a_secret_of_its_own_from_the_first_time_on(driver: StoreDriver) -> None:
    assert secrets(driver) == []
    [first] = driver.write(receiver_secrets.ensure_secrets, "local")
    assert driver.write(receiver_secrets.ensure_secrets, "local") == [first]
    [other] = driver.write(receiver_secrets.ensure_secrets, "other")
    assert first.secret != other.secret
    assert first.retires_at is None


def test_two_that_make_the_first_secret_at_once_make_one(driver: StoreDriver, url: str) -> None:
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


def test_the_old_secret_signs_beside_the_new_one_for_a_while(driver: StoreDriver) -> None:
    [old] = driver.write(receiver_secrets.ensure_secrets, "local")
    new, retiring = driver.write(receiver_secrets.rotate, "local", 3600.0)
    assert (retiring.secret, new.retires_at) == (old.secret, None)
    assert retiring.retires_at is not None
    assert 3590 < (retiring.retires_at - new.created_at).total_seconds() < 3610
    assert secrets(driver) == [new.secret, old.secret]


def test_a_secret_that_has_become_known_ends_at_once(driver: StoreDriver) -> None:
    driver.write(receiver_secrets.ensure_secrets, "local")
    [new] = driver.write(receiver_secrets.rotate, "local", 0.0)
    assert secrets(driver) == [new.secret]


def test_whoever_rotates_all_the_time_keeps_few(driver: StoreDriver) -> None:
    for _ in range(8):
        newest = driver.write(receiver_secrets.rotate, "local", 3600.0)[0]
    assert len(secrets(driver)) <= 5
    assert secrets(driver)[0] == newest.secret


def test_what_signs_no_more_is_removed(driver: StoreDriver) -> None:
    driver.write(receiver_secrets.ensure_secrets, "local")
    driver.write(receiver_secrets.rotate, "local", 0.001)
    assert driver.write(receiver_secrets.expire) <= 1
    assert len(secrets(driver)) == 1
