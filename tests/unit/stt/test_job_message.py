"""What is a job of contract K, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from dictograph.stt.job_message import INVALID_PAYLOAD, JobMessage, Unusable, attempt_of, read_job, value_mark
from tests.unit.stt.jobs import payload, value

MOST = 2**20


def read(data: bytes) -> JobMessage | Unusable:
    return read_job(data, MOST)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"createdAt": 1767323045.5},
        {"createdAt": 1767323045},
        {"createdAt": "2026-01-02T03:04:05"},
        {"createdAt": "2026-01-02T03:04:05+02:00"},
        {"languageHint": None, "correlationId": None},
        {"languageHint": ..., "correlationId": ...},
        {"extra": {"kept": [1, None]}},
        {"jobId": "any text, \u0928\u092e"},
    ],
)
def test_a_job_as_the_field_sends_it(values: dict[str, Any]) -> None:
    job = read(value(**values))
    assert isinstance(job, JobMessage)
    assert job.payload == payload(**values)
    assert (job.job_id, job.audio_url) == (job.payload["jobId"], "https://example.org/a.mp3")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b"[" * 100_000, "not JSON"),
        (value()[:-1] + b', "x": NaN}', "not JSON"),
        (value()[:-1] + b', "x": 1e999}', "bounds"),
        (b" " * (MOST + 1), "bytes"),
        *[
            (value(**{name: bad}), f"`{name}`")
            for name in ("jobId", "taskId", "audioUrl")
            for bad in (..., None, "", 7)
        ],
        *[(value(createdAt=bad), "`createdAt`") for bad in (..., None, "", "yesterday", True, [1])],
        *[(value(**{name: 7}), f"`{name}`") for name in ("languageHint", "correlationId")],
    ],
)
def test_what_is_no_job_says_why(data: bytes, reason: str) -> None:
    found = read(data)
    assert isinstance(found, Unusable)
    assert found.code == INVALID_PAYLOAD
    assert reason in found.message


def test_a_job_published_once_more_has_the_same_mark_and_another_job_has_not() -> None:
    def mark(data: bytes, place: str = "a") -> str:
        return value_mark(data, read(data), place)

    again = value(createdAt=5, correlationId=None)
    assert mark(value()) == mark(again, "b")
    assert mark(value()) != mark(value(taskId="other"))
    assert mark(b"no job", "a") != mark(b"no job", "b"), "such a message has no sender who asks again"


@pytest.mark.parametrize(
    ("header", "attempt"),
    [(None, 0), (b"", 0), (b"2", 2), (b" 3 ", 3), (b"-1", 0), (b"x", 0), (b"9" * 4000, 0), ("٣".encode(), 0)],
)
def test_counting_starts_at_the_header(header: bytes | None, attempt: int) -> None:
    assert attempt_of(header) == attempt
