"""Texts that not every database can keep do no harm, and come back the same from all."""

from __future__ import annotations

import math

from dictograph.errors import NotFound
from dictograph.job import ErrorRecord, Options, Source, SourceKind
from dictograph.store import events
from dictograph.store.jobs import control, finish, progress, read
from dictograph.store.jobs.accept import NewJob, create_job
from dictograph.store.text_type import REPLACEMENT
from tests.integration.store.store_driver import AT_ONCE, StoreDriver, result

#: NUL, which PostgreSQL has not, and half a surrogate pair, which UTF-8 has not.
BAD = "a\x00b\ud800c \\u0000 \U0001f600"
GOOD = f"a{REPLACEMENT}b{REPLACEMENT}c \\u0000 \U0001f600"


def test_names_and_metadata(driver: StoreDriver) -> None:
    metadata = {BAD: [BAD, {"deep": (BAD, 1)}], "number": math.nan, "none": None, "far": -math.inf}
    new = NewJob("a", "local", BAD, Source(SourceKind.PATH, BAD), Options(prompt="a\x00b"), metadata)
    driver.write(create_job, new)
    job = driver.job("a")
    assert (job.filename, job.source.location, job.options.prompt) == (GOOD, GOOD, f"a{REPLACEMENT}b")
    assert job.metadata == {GOOD: [GOOD, {"deep": [GOOD, 1]}], "number": None, "none": None, "far": None}


def test_transcripts_and_warnings(driver: StoreDriver) -> None:
    held = driver.running()
    driver.plan(held, 1)
    driver.write(progress.commit_windows, held, [(0, result(BAD))])
    driver.write(progress.finish_plan, held, 10.0, [{"code": "odd", "message": BAD}])
    driver.write(progress.finish_plan, held, 10.0, [{"code": "odd", "message": BAD}])
    assert [warning["message"] for warning in driver.job(held.job_id).warnings] == [GOOD], "still the same warning"
    driver.write(finish.complete, held)
    assert driver.column(held.job_id, "result_text") == GOOD
    assert driver.read(read.windows, held.job_id)[0].result == result(GOOD)
    assert driver.events(held.job_id)[3].data["segments"][0]["text"] == GOOD


def test_errors(driver: StoreDriver) -> None:
    held = driver.running()
    driver.write(finish.fail, held, ErrorRecord("decode_failed", BAD, "DECODE"), False, AT_ONCE)
    job = driver.job(held.job_id)
    assert job.error == ErrorRecord("decode_failed", GOOD, "DECODE")
    assert driver.events(held.job_id)[-1].data["error"]["message"] == GOOD


def test_what_is_asked_for(driver: StoreDriver) -> None:
    driver.create("a")
    for query in (read.get_job, control.cancel):
        try:
            driver.write(query, BAD, BAD)
        except NotFound:
            continue
        raise AssertionError("there is no such job")
    assert driver.read(events.last_seqs, ["a", BAD]) == {"a": 1}


def test_thousands_of_jobs_are_asked_for_at_once(driver: StoreDriver) -> None:
    driver.create("a")
    assert driver.read(events.last_seqs, ["a", *(f"nobody-{n}" for n in range(5000))]) == {"a": 1}
