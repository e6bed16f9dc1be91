"""Contract K in the store: what came, its job and its answers are one transaction each. On both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from dictograph.broker import Incoming, Outgoing
from dictograph.broker.envelope import from_payload
from dictograph.contract import Contract
from dictograph.errors import InvalidRequest
from dictograph.job import ErrorRecord, JobStatus, Lease
from dictograph.service.compat.stt_jobs import SttJobs, Taken
from dictograph.settings.model import Settings
from dictograph.store import outbox
from dictograph.store.compat import intakes
from dictograph.store.database import Database
from dictograph.store.jobs import finish, progress
from dictograph.store.jobs.claim import Claim, Claimant, claim_job
from dictograph.store.jobs.lease import RetryPolicy
from dictograph.store.jobs.progress import PlannedWindow
from dictograph.store.outbox import BROKER
from dictograph.store.tables import intake
from dictograph.store.tables import job as job_table
from tests.integration.store.store_driver import AT_ONCE, StoreDriver, result
from tests.unit.stt.jobs import message, value

OOPS = ErrorRecord("engine_failed", "It did not work.", "TRANSCRIBE")


@pytest.fixture
def jobs() -> SttJobs:
    return SttJobs(Settings(stt_model="tiny"), lambda: 1_000_000)


@pytest.fixture
def neighbour(url: str) -> Iterator[StoreDriver]:
    database = Database.open(url)
    yield StoreDriver(database)
    database.close_now()


def take(driver: StoreDriver, jobs: SttJobs, *messages: Incoming) -> list[Taken]:
    return driver.write(jobs.take, messages)


def the_job(driver: StoreDriver) -> str:
    return driver.read(lambda c: c.execute(select(job_table.c.id)).scalar_one())


def claimed(driver: StoreDriver) -> Lease:
    claim = driver.write(claim_job, Claimant("w1", 60.0, frozenset({("whisper", "tiny")}), busy=False))
    assert isinstance(claim, Claim)
    return claim.lease


def due_now(driver: StoreDriver) -> None:
    """The wait before the next attempt is over."""
    driver.write(lambda c: c.execute(update(job_table).values(available_at=1.0)))


def published(driver: StoreDriver) -> list[Outgoing]:
    """Send everything, in order; what was sent."""
    sent: list[Outgoing] = []
    while found := driver.write(outbox.take, BROKER, 10, 60.0):
        sent += [from_payload(one.payload) for one in found]
        driver.write(outbox.mark_sent, [one.id for one in found])
    return sent


def body(one: Outgoing) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(one.value or b"")
    return found


def headers(one: Outgoing) -> dict[str, str]:
    return {name: text.decode() for name, text in one.headers}


def test_a_message_becomes_a_job_with_the_limits_of_its_contract(driver: StoreDriver, jobs: SttJobs) -> None:
    came = message(value(), headers=(("attempt", b"1"), ("traceparent", b"00-1")))
    [taken] = take(driver, jobs, came)
    job = driver.job(the_job(driver))
    assert (job.status, job.contract, job.source.location) == (
        JobStatus.PENDING,
        Contract.STT_WORKER,
        "https://example.org/a.mp3",
    )
    assert (job.options.language, job.options.engine, job.options.model) == ("hi", "whisper", "tiny")
    assert job.max_attempts == 2, "the attempt of the message counts"
    assert job.limits.as_dict() == {
        "max_bytes": 26214400,
        "max_audio": 600.0,
        "all_attempts": 3,
        "download_timeout": 30.0,
        "attempt_timeout": 120.0,
        "backoff_base": 0.5,
        "backoff_cap": 5.0,
    }
    stored = driver.read(intakes.of_job, job.id)
    assert stored is not None
    assert (stored.id, stored.sender_id, stored.offset, stored.attempt) == (taken.intake_id, "j-1", 7, 1)
    assert (stored.key, stored.value, stored.trace) == (b"j-1", came.value, {"traceparent": "00-1"})


def test_a_job_published_again_and_again_is_one_job_with_one_result(driver: StoreDriver, jobs: SttJobs) -> None:
    [first] = take(driver, jobs, message(value()))
    again = [message(value(createdAt=n, correlationId=None), offset=n) for n in range(8, 12)]
    assert take(driver, jobs, *again) == [Taken(one) for one in again], "done at once"
    assert take(driver, jobs, message(value())) == [Taken(message(value()), first.intake_id, is_job=True)]
    driver.whole(claimed(driver))
    [done] = published(driver)
    assert (body(done)["status"], body(done)["correlationId"]) == ("COMPLETED", "c-1")
    assert take(driver, jobs, *again) == [Taken(one) for one in again]
    assert published(driver) == []


def test_two_workers_that_get_one_job_at_once_make_one(
    driver: StoreDriver, neighbour: StoreDriver, jobs: SttJobs
) -> None:
    for round_ in range(5):
        name = f"j-{round_}"
        threads = [
            threading.Thread(target=take, args=(who, jobs, message(value(jobId=name), offset=n)))
            for n, who in enumerate((driver, neighbour, driver, neighbour))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert driver.read(lambda c: c.execute(select(func.count()).select_from(job_table)).scalar_one()) == 5
    assert driver.read(lambda c: c.execute(select(func.count()).select_from(intake)).scalar_one()) == 5


def test_a_completed_job_answers_with_its_text_in_the_transaction_that_ends_it(
    driver: StoreDriver, jobs: SttJobs
) -> None:
    [taken] = take(driver, jobs, message(value()))
    lease = claimed(driver)
    driver.write(progress.plan_windows, lease, [PlannedWindow(0, 0.0, 1.0, "ab" * 32)], 1.0)
    driver.finish_plan(lease, 1.0)
    driver.write(progress.commit_windows, lease, [(0, result("नमस्ते"))])
    assert driver.read(intakes.settled, [str(taken.intake_id)]) == set()
    driver.write(finish.complete, lease)
    assert driver.read(intakes.settled, [str(taken.intake_id)]) == set(), "the broker has not acknowledged it"
    [done] = published(driver)
    assert (done.topic, done.key, body(done)["transcriptText"]) == ("stt.results", b"j-1", "नमस्ते")
    assert driver.read(intakes.settled, [str(taken.intake_id)]) == {taken.intake_id}


def test_a_job_that_failed_for_good_answers_in_order_and_one_that_waits_not_at_all(
    driver: StoreDriver, jobs: SttJobs
) -> None:
    take(driver, jobs, message(value()))
    for _ in range(2):
        driver.write(finish.fail, claimed(driver), OOPS, True, AT_ONCE)
        assert published(driver) == [], "it is tried again here, and not published again"
        due_now(driver)
    driver.write(finish.fail, claimed(driver), OOPS, True, AT_ONCE)
    letter, failed = published(driver)
    assert (letter.topic, failed.topic) == ("stt.jobs.dlq", "stt.results")
    assert (body(letter)["errorCode"], body(letter)["attempt"]) == ("TRANSCRIBE_FAILED", 2)
    assert (body(failed)["status"], headers(failed)["attempt"]) == ("FAILED", "2")


def test_new_windows_do_not_fill_up_the_attempts_of_this_contract(driver: StoreDriver, jobs: SttJobs) -> None:
    take(driver, jobs, message(value()))
    driver.write(finish.fail, claimed(driver), OOPS, True, AT_ONCE)
    due_now(driver)
    lease = claimed(driver)
    driver.write(progress.plan_windows, lease, [PlannedWindow(0, 0.0, 1.0, "ab" * 32)], 1.0)
    driver.write(lambda c: progress.commit_windows(c, lease, [(0, result("one"))], refills=False))
    assert driver.job(lease.job_id).failures == 1


def test_the_waits_between_attempts_are_those_of_the_contract(driver: StoreDriver, jobs: SttJobs) -> None:
    take(driver, jobs, message(value()))
    driver.write(finish.fail, claimed(driver), OOPS, True, RetryPolicy(3600.0, 7200.0))
    [waiting] = [one for one in driver.events(the_job(driver)) if one.type == "retrying"]
    assert 0.25 <= waiting.data["delay"] <= 0.5
    patient = RetryPolicy(1.0, 2.0, patience=9000.0).patient()
    assert patient.within(driver.job(the_job(driver)).limits) is patient, (
        "a hub that is away is no matter of a contract"
    )


def test_a_cancelled_job_answers_failed_and_a_retried_one_answers_anew(driver: StoreDriver, jobs: SttJobs) -> None:
    take(driver, jobs, message(value()))
    driver.cancel(the_job(driver))
    [cancelled] = published(driver)
    assert (body(cancelled)["status"], body(cancelled)["errorCode"]) == ("FAILED", "CANCELLED")
    driver.retry(the_job(driver))
    driver.whole(claimed(driver))
    [done] = published(driver)
    assert body(done)["status"] == "COMPLETED"
    assert headers(done)["message-id"] != headers(cancelled)["message-id"]


def test_poison_gets_one_letter_each_in_order_and_the_next_good_job_is_taken(
    driver: StoreDriver, jobs: SttJobs
) -> None:
    poison = [message(f"no job {n}".encode(), offset=n) for n in range(30)]
    taken = take(driver, jobs, *poison, message(value(), offset=30))
    assert [one.is_job for one in taken] == [False] * 30 + [True]
    letters = published(driver)
    assert [body(letter)["originalOffset"] for letter in letters] == list(range(30))
    assert {body(letter)["failureStage"] for letter in letters} == {"VALIDATION"}
    assert take(driver, jobs, *poison) == taken[:30], "the same offset again"
    assert published(driver) == []
    assert driver.read(intakes.settled, [str(one.intake_id) for one in taken]) == {one.intake_id for one in taken[:30]}


def test_an_id_used_again_for_another_job_is_a_letter_once(driver: StoreDriver, jobs: SttJobs) -> None:
    take(driver, jobs, message(value()))
    for n in range(3):
        take(driver, jobs, message(value(audioUrl="https://example.org/b.mp3", createdAt=n), offset=8 + n))
    [letter] = published(driver)
    assert (body(letter)["errorCode"], letter.key) == ("JOB_ID_REUSED", b"j-1")
    assert body(letter)["job"]["audioUrl"] == "https://example.org/b.mp3"


@pytest.mark.parametrize(
    "data",
    [
        value(jobId="a\x00b", taskId="\ud800"),
        value(jobId="x" * 100_000),
        value(audioUrl="https://example.org/" + "a" * 3000),
        value(audioUrl="ftp://example.org/a"),
        value(audioUrl="https://user:secret@example.org/a"),
        value(languageHint="tlh-Latn"),
        b"\x00\xff" * 1000,
        b"x" * 3_000_000,
        None,
    ],
)
def test_hostile_messages_never_leave_half_a_row(driver: StoreDriver, jobs: SttJobs, data: bytes | None) -> None:
    [taken] = take(driver, jobs, message(data))
    if taken.is_job:
        driver.cancel(the_job(driver))
    for answer in published(driver):
        assert len(answer.value or b"") <= 1_000_000
        body(answer)
    assert driver.read(intakes.settled, [taken.intake_id or "none"])


def test_the_object_of_another_bucket_is_a_letter_and_stops_nobody(driver: StoreDriver) -> None:

    def is_stored(url: str) -> bool:
        if url.startswith("s3://others/"):
            raise InvalidRequest("The bucket others is not the one of this service.", param="url")
        return url.startswith("s3://ours/")

    jobs = SttJobs(Settings(stt_model="tiny"), lambda: 1_000_000, is_stored)
    first = message(value(jobId="j-1", audioUrl="s3://others/a.mp3"), offset=1)
    second = message(value(jobId="j-2", audioUrl="s3://ours/a.mp3"), offset=2)
    refused, accepted = take(driver, jobs, first, second)
    assert (refused.is_job, accepted.is_job) == (False, True)
    [letter] = published(driver)
    assert (body(letter)["errorCode"], body(letter)["job"]["jobId"]) == ("INVALID_PAYLOAD", "j-1")
