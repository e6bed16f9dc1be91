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


def test_names_and_metadata(bench: StoreDriver) -> None:
    metadata = {BAD: [BAD, {"deep": (BAD, 1)}], "number": math.nan, "none": None, "far": -math.inf}
    new = NewJob("a", "local", BAD, Source(SourceKind.PATH, BAD), Options(prompt="a\x00b"), metadata)
    bench.write(create_job, new)
    job = bench.job("a")
    assert (job.filename, job.source.location, job.options.prompt) == (GOOD, GOOD, f"a{REPLACEMENT}b")
    assert job.metadata == {GOOD: [GOOD, {"deep": [GOOD, 1]}], "number": None, "none": None, "far": None}


def test_transcripts_and_warnings(bench: StoreDriver) -> None:
    held = bench.running()
    bench.plan(held, 1)
    bench.write(progress.commit_windows, held, [(0, result(BAD))])
    bench.write(progress.finish_plan, held, 10.0, [{"code": "odd", "message": BAD}])
    bench.write(progress.finish_plan, held, 10.0, [{"code": "odd", "message": BAD}])
    assert [warning["message"] for warning in bench.job(held.job_id).warnings] == [GOOD], "still the same warning"
    bench.write(finish.complete, held)
    assert bench.column(held.job_id, "result_text") == GOOD
    assert bench.read(read.windows, held.job_id)[0].result == result(GOOD)
    assert bench.events(held.job_id)[3].data["segments"][0]["text"] == GOOD


def test_errors(bench: StoreDriver) -> None:
    held = bench.running()
    bench.write(finish.fail, held, ErrorRecord("decode_failed", BAD, "DECODE"), False, AT_ONCE)
    job = bench.job(held.job_id)
    assert job.error == ErrorRecord("decode_failed", GOOD, "DECODE")
    assert bench.events(held.job_id)[-1].data["error"]["message"] == GOOD


def test_what_is_asked_for(bench: StoreDriver) -> None:
    bench.create("a")
    for query in (read.get_job, control.cancel):
        try:
            bench.write(query, BAD, BAD)
        except NotFound:
            continue
        raise AssertionError("there is no such job")
    assert bench.read(events.last_seqs, ["a", BAD]) == {"a": 1}


def test_thousands_of_jobs_are_asked_for_at_once(bench: StoreDriver) -> None:
    bench.create("a")
    assert bench.read(events.last_seqs, ["a", *(f"nobody-{n}" for n in range(5000))]) == {"a": 1}
