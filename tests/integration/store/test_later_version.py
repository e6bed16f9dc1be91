"""A row of a later version: whatever it holds, it stops no list, no worker, and no job behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Table, insert, select, update

from dictograph.contract import Contract
from dictograph.engine.protocol import WindowResult
from dictograph.job import KNOWN_NEEDS, Job, JobStatus, Options, Source, SourceKind
from dictograph.service.transcripts import head_of
from dictograph.store import clock_skew, events, keys, outbox
from dictograph.store.clock import read_clock
from dictograph.store.compat.path_jobs import newest_of_path
from dictograph.store.compat.upload_slots import NewUploadSlot, create_slot, find_slot
from dictograph.store.jobs import finish
from dictograph.store.jobs.claim import Claim, Claimant, PutOff, claim_job, has_waiting_exclusive_job
from dictograph.store.jobs.progress import PlannedWindow, commit_windows, finish_plan, plan_windows
from dictograph.store.jobs.read import get_job, list_jobs, unsupported_count, windows
from dictograph.store.keys import KeyRates, NewKey
from dictograph.store.outbox import DISPATCH
from dictograph.store.tables import api_key, event, job, upload_slot, webhook_delivery
from dictograph.store.tables import outbox as messages
from dictograph.store.webhooks import deliveries, delivery_log
from dictograph.transcript import Segment, Word
from tests.integration.store.store_driver import StoreDriver

#: What a later version may have written into a job's row, by what it is.
LATER: dict[str, dict[str, Any]] = {
    "an option": {"options": {"beam_size": 3, "accents": "split"}},
    "a value of an option": {"options": {"beam_size": 3, "task": "summarise"}},
    "a value beyond today's bounds": {"options": {"beam_size": 99}},
    "a limit": {"limits": {"max_bytes": 10, "max_words": 5}},
    "a limit's form": {"limits": {"max_audio": {"seconds": 5}}},
    "a contract": {"contract": "courier"},
    "a source": {"source_kind": "torrent", "url": "magnet:?xt=1"},
    "a warning": {"warnings": [{"code": "too_loud", "message": "It is.", "decibels": 120}, {"code": "silent"}]},
    "an error": {"error_code": "disk_melted", "error_message": "It did.", "error_stage": "SMELT"},
}


def rewrite(driver: StoreDriver, table: Table, of: Any, **values: Any) -> None:
    driver.write(lambda c: c.execute(update(table).where(of).values(values)))


def later(driver: StoreDriver, what: str) -> Job:
    made = driver.create("later", priority=9)
    rewrite(driver, job, job.c.id == made.id, **LATER[what])
    return driver.job(made.id)


@pytest.mark.parametrize("what", LATER)
def test_a_row_of_a_later_version_is_read_with_what_it_holds(driver: StoreDriver, what: str) -> None:
    found = later(driver, what)
    shown = {
        "options": {name: found.all_options[name] for name in LATER[what].get("options", {})},
        "limits": {**found.limits.as_dict(), **found.unknown_limits},
        "contract": found.contract,
        "source_kind": found.source.kind,
        "url": found.source.location,
        "warnings": list(found.warnings),
        "error_code": found.error and found.error.code,
        "error_message": found.error and found.error.message,
        "error_stage": found.error and found.error.stage,
    }
    assert {name: shown[name] for name in LATER[what]} == LATER[what]
    assert [one.code for one in head_of(found).warnings] == [one["code"] for one in LATER[what].get("warnings", [])]


@pytest.mark.parametrize("what", LATER)
def test_lists_and_everything_that_is_done_to_a_job_go_on(driver: StoreDriver, what: str) -> None:
    later(driver, what)
    driver.create("healthy")
    assert {one.id for one in driver.read(list_jobs, None).jobs} == {"later", "healthy"}
    assert driver.cancel("later").status is JobStatus.CANCELLED
    assert driver.retry("later").status is JobStatus.PENDING
    assert {name: driver.column("later", name) for name in LATER[what] if not name.startswith("error")} == {
        name: value for name, value in LATER[what].items() if not name.startswith("error")
    }, "nothing is lost on the way"


#: Those of them that no worker of this version may run.
BEYOND = {
    "an option": "the option accents",
    "a value of an option": "the option task",
    "a value beyond today's bounds": "the option beam_size",
    "a limit": "the limit max_words",
    "a limit's form": "the limit max_audio",
    "a source": "the source torrent",
}


def available_now(driver: StoreDriver, id: str = "later") -> None:
    rewrite(driver, job, job.c.id == id, available_at=1.0)


@pytest.mark.parametrize("what", BEYOND)
def test_a_job_that_cannot_be_honoured_is_put_off_uncharged_and_the_next_one_is_taken(
    driver: StoreDriver, what: str
) -> None:
    before = later(driver, what)
    rewrite(driver, job, job.c.id == "later", audio_name=None)
    driver.create("healthy")
    for _ in range(2):
        available_now(driver)
        began = driver.read(read_clock)
        claim = driver.try_claim()
        assert (claim.job.id if claim else None) in ("healthy", None)
        found = driver.job("later")
        assert (found.status, found.waits_for) == (JobStatus.PENDING, BEYOND[what])
        assert (found.attempt, found.failures, found.started_at) == (0, 0, None)
        assert driver.log("later") == ["created"]
        assert 55 <= driver.column("later", "available_at") - began <= 70
        assert driver.column("later", "lease_token") is None
    assert driver.status("healthy") is JobStatus.PROCESSING
    assert driver.read(unsupported_count, None, KNOWN_NEEDS) == 1
    assert driver.read(unsupported_count, "somebody", KNOWN_NEEDS) == 0
    rewrite(driver, job, job.c.id == "later", options={}, limits={}, source_kind="url")
    available_now(driver)
    claim = driver.claim()
    assert (claim.job.id, claim.job.attempt, claim.job.put_off_for) == ("later", 1, None), "a newer worker has it"
    assert [one.seq for one in driver.events("later")] == [1, 2]
    assert driver.read(unsupported_count, None, KNOWN_NEEDS) == 0
    assert before.id == "later"


@pytest.mark.parametrize("what", sorted(LATER.keys() - BEYOND.keys()))
def test_what_makes_no_difference_to_a_worker_is_run(driver: StoreDriver, what: str) -> None:
    later(driver, what)
    assert driver.claim().job.id == "later"


def test_a_source_is_no_matter_once_the_audio_is_stored(driver: StoreDriver) -> None:
    later(driver, "a source")
    assert driver.claim().job.id == "later"


def test_a_job_that_had_begun_keeps_what_it_had(driver: StoreDriver) -> None:
    lease = driver.running(id="later")
    driver.plan(lease, 2)
    driver.commit(lease, 0)
    driver.fail(lease)
    rewrite(driver, job, job.c.id == "later", **LATER["an option"])
    before = driver.job("later")
    assert driver.try_claim() is None
    after = driver.job("later")
    changed = {name for name in Job.__slots__ if getattr(before, name) != getattr(after, name)}
    assert changed == {"updated_at", "put_off_for"}


def test_many_of_them_are_put_off_some_at_a_time(driver: StoreDriver) -> None:
    for number in range(120):
        driver.create(f"later-{number}", priority=9)
    rewrite(driver, job, job.c.priority == 9, **LATER["an option"])
    driver.create("healthy")
    claimant = Claimant("w", 60, frozenset({("auto", "")}), busy=False)
    answers = [driver.write(claim_job, claimant) for _ in range(3)]
    assert answers[:2] == [PutOff(50), PutOff(50)]
    assert isinstance(answers[2], Claim)
    assert answers[2].job.id == "healthy"
    assert driver.read(unsupported_count, None, KNOWN_NEEDS) == 120


def test_no_room_is_made_for_a_job_that_was_put_off(driver: StoreDriver) -> None:
    shy = driver.running(id="later")
    driver.expire_lease(shy.job_id)
    driver.lose()
    rewrite(driver, job, job.c.id == "later", **LATER["an option"])
    available_now(driver)
    busy = Claimant("w", 60, frozenset({("auto", "")}), busy=True)
    assert driver.read(has_waiting_exclusive_job, busy, 1.0)
    assert driver.write(claim_job, replace(busy, for_starving=True)) is None
    available_now(driver)
    assert not driver.read(has_waiting_exclusive_job, busy, 1.0)


def test_a_job_is_claimed_by_those_who_support_what_it_needs(driver: StoreDriver) -> None:
    made = driver.create("picky", priority=9, needs="voice:anna")
    assert (made.waits_for, made.unsupported) == ("voice:anna", [])
    driver.create("healthy")
    assert driver.claim().job.id == "healthy"
    assert driver.try_claim() is None
    assert driver.column("picky", "put_off_for") is None, "nobody had to look at it"
    assert driver.read(unsupported_count, None, KNOWN_NEEDS) == 1
    able = Claimant("w", 60, frozenset({("auto", "")}), busy=False, needs=frozenset({"", "voice:anna"}))
    assert driver.read(unsupported_count, None, able.needs) == 0
    claim = driver.write(claim_job, able)
    assert isinstance(claim, Claim)
    assert claim.job.id == "picky"


def test_what_is_known_of_such_options_and_limits_holds(driver: StoreDriver) -> None:
    assert later(driver, "an option").options == Options(beam_size=3)
    assert driver.job("later").unknown_options == {"accents": "split"}
    rewrite(driver, job, job.c.id == "later", **LATER["a limit"])
    assert driver.job("later").limits.max_bytes == 10


def test_known_words_stay_members(driver: StoreDriver) -> None:
    found = driver.create()
    assert found.contract is Contract.NATIVE
    assert found.source.kind is SourceKind.UPLOAD


def test_a_path_of_a_later_version_is_found(driver: StoreDriver) -> None:
    driver.create("later", contract=Contract.PATH, source=Source(SourceKind.PATH, "/a.wav"), audio=None)
    rewrite(driver, job, job.c.id == "later", **LATER["an option"])
    assert driver.read(newest_of_path, "local", "/a.wav")[0].id == "later"


RESULT = {
    "segments": [
        {
            "start": 0.0, "end": 1.0, "text": " two words", "speaker": "A", "tokens": None, "avg_logprob": None,
            "words": [
                {"start": 0.0, "end": 0.5, "word": " two", "probability": 0.5, "syllables": 1},
                {"word": " words"},
            ],
        },
        {"kind": "music"},
    ],
    "channel": 1,
}  # fmt: skip


def test_segments_and_words_of_a_later_version_are_read(driver: StoreDriver) -> None:
    lease = driver.running(id="later", options=Options(word_timestamps=True))
    driver.write(plan_windows, lease, [PlannedWindow(0, 0.0, 1.0, "sha")], 1.0)
    driver.write(commit_windows, lease, [(0, RESULT)])
    driver.write(finish_plan, lease, 1.0, [])
    [stored] = driver.read(windows, "later")
    assert stored.result is not None
    read = WindowResult.from_dict(stored.result)
    words = (Word(0.0, 0.5, " two", 0.5), Word(0.0, 0.0, " words", 0.0))
    assert read == WindowResult((Segment(0.0, 1.0, " two words", words), Segment(0.0, 0.0, "")))
    assert driver.events("later")[-2].data["segments"] == RESULT["segments"], "followers get all of it"
    driver.write(finish.complete, lease)
    assert driver.column("later", "result_text") == "two words"


def test_events_of_a_later_version_are_read_as_they_are(driver: StoreDriver) -> None:
    made = driver.create()
    rewrite(driver, job, job.c.id == made.id, last_seq=2)
    told = {"job_id": made.id, "seq": 2, "type": "transposed", "data": {"key": "c minor"}}
    driver.write(lambda c: c.execute(insert(event).values(created_at=made.created_at, **told)))
    rewrite(driver, event, event.c.seq == 1, data={"by": "courier"})
    assert [(one.type, one.data) for one in driver.read(events.read_events, made.id, 0)] == [
        ("created", {"by": "courier"}),
        ("transposed", {"key": "c minor"}),
    ]


def test_a_message_of_a_later_kind_is_left_to_those_who_know_it(driver: StoreDriver) -> None:
    made = driver.create()
    driver.write(
        outbox.enqueue, 1.0, job_id=made.id, destination="pigeon:7", message_id="p", payload={}, available_at=1e12
    )
    rewrite(driver, messages, messages.c.destination == DISPATCH, payload={"job_id": made.id, "urgent": True})
    assert [one.destination for one in driver.read(outbox.due, 10)] == [DISPATCH]
    driver.write(clock_skew.clamp_delays, 60.0, 60.0)
    waiting = driver.read(lambda c: c.execute(select(messages.c.available_at).order_by(messages.c.id)).scalars().all())
    assert waiting[1] == 1e12, "nobody here knows how long it has to wait"
    rewrite(driver, messages, messages.c.destination == "pigeon:7", available_at=1.0)
    assert [one.destination for one in driver.read(outbox.due, 10)] == [DISPATCH], "sent as a wake-up it would be lost"


def test_a_webhook_of_a_later_version_is_listed_and_sent(driver: StoreDriver) -> None:
    driver.create("later", webhook_url="https://example.org/hook")
    driver.cancel("later")
    changed = {"type": "transcription.hummed", "state": "held", "payload": {"type": "transcription.hummed"}}
    rewrite(driver, webhook_delivery, webhook_delivery.c.job_id == "later", **changed)
    [delivery] = driver.read(delivery_log.list_deliveries, None, delivery_log.Wanted()).deliveries
    assert (delivery.state, delivery.type) == ("held", "transcription.hummed")
    assert [one.payload for one in driver.read(deliveries.due, 10)] == [changed["payload"]]


def test_a_key_of_a_later_version_is_good_for_what_is_known(driver: StoreDriver) -> None:
    new = NewKey("k1", "hash-1", "alice", "", ["read", "dance"], KeyRates(requests=("5/minute",)))
    driver.write(keys.create_key, new)
    rates = {"requests": ["5/minute"], "steps": ["3/second"]}
    rewrite(driver, api_key, api_key.c.id == "k1", rate_limits=rates)
    found = driver.read(keys.find_key, "hash-1")
    assert found is not None
    assert (found.scopes, found.rates) == (("read", "dance"), KeyRates(requests=("5/minute",)))
    driver.write(keys.rotate_key, "k1", replace(new, id="k2", hash="hash-2"), 60.0)
    kept = driver.read(lambda c: c.execute(select(api_key).where(api_key.c.id == "k2")).one())
    assert (kept.scopes, kept.rate_limits) == (["read", "dance"], rates), "the new key stands for what the old one did"


def test_an_upload_address_of_a_later_contract_is_found(driver: StoreDriver) -> None:
    slot = NewUploadSlot("s1", "alice", Contract.BACKEND, "a.wav", "audio/wav", 5, 60.0)
    driver.write(create_slot, slot)
    rewrite(driver, upload_slot, upload_slot.c.id == "s1", contract="courier")
    found = driver.read(find_slot, "s1")
    assert found is not None
    assert found[0].contract == "courier"


def test_a_job_that_ended_in_a_later_version_can_be_looked_up(driver: StoreDriver) -> None:
    driver.whole(driver.running(id="later"))
    for values in LATER.values():
        rewrite(driver, job, job.c.id == "later", **values)
    assert driver.read(get_job, None, "later").status is JobStatus.COMPLETED
