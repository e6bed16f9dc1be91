"""Results and dead letters: the exact fields and types, one message id for each, and never too long."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from dictograph.broker import Outgoing
from dictograph.errors import kinds
from dictograph.job import ErrorRecord, JobStatus
from dictograph.stt.answers import answers_of, letter_for
from dictograph.stt.codes import code_of, stage_of
from dictograph.stt.job_message import Unusable
from tests.unit.stt.jobs import NOON, REPLY, ended, origin, payload

TOO_LONG = ErrorRecord("audio_too_long", "The audio is too long.", "DECODE")


def body(message: Outgoing) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value or b"")
    return found


def headers(message: Outgoing) -> dict[str, str]:
    return {name: text.decode() for name, text in message.headers}


def test_the_result_of_a_completed_job() -> None:
    [result] = answers_of(ended(), "नमस्ते दुनिया", origin(), REPLY, 0)
    assert (result.message.topic, result.message.key) == ("stt.results", b"j-1")
    assert list(body(result.message).items()) == list(
        {
            "jobId": "j-1",
            "taskId": "t-1",
            "status": "COMPLETED",
            "transcriptText": "नमस्ते दुनिया",
            "detectedLanguage": "ta",
            "confidence": 0.87,
            "engine": "faster-whisper",
            "modelVersion": "small",
            "errorCode": None,
            "errorMessage": None,
            "completedAt": "2026-01-02T12:00:00.123Z",
            "correlationId": "c-1",
        }.items()
    )
    assert headers(result.message)["attempt"] == "0"


def test_a_failed_job_yields_a_dead_letter_and_then_a_result() -> None:
    job = ended(JobStatus.FAILED, TOO_LONG, failures=3, language=None, language_probability=None)
    letter, result = answers_of(job, "", origin(), REPLY, 0)
    assert (letter.message.topic, letter.message.key) == ("stt.jobs.dlq", b"j-1")
    assert body(letter.message) == {
        "originalTopic": "stt.jobs",
        "originalPartition": 0,
        "originalOffset": 7,
        "failedAt": "2026-01-02T12:00:00.123Z",
        "failureStage": "DOWNLOAD",
        "job": payload(),
        "errorCode": "AUDIO_TOO_LONG",
        "errorMessage": "The audio is too long.",
        "attempt": 2,
    }
    failed = body(result.message)
    assert (failed["status"], failed["errorCode"], failed["errorMessage"]) == (
        "FAILED",
        "AUDIO_TOO_LONG",
        TOO_LONG.message,
    )
    assert [failed[name] for name in ("transcriptText", "detectedLanguage", "confidence")] == [None] * 3
    assert headers(letter.message)["message-id"] != headers(result.message)["message-id"]
    assert headers(letter.message)["attempt"] == headers(result.message)["attempt"] == "2"


def test_a_cancelled_job_yields_a_result_alone() -> None:
    [result] = answers_of(ended(JobStatus.CANCELLED), "half of it", origin(), REPLY, 0)
    assert (body(result.message)["status"], body(result.message)["errorCode"]) == ("FAILED", "CANCELLED")
    assert body(result.message)["transcriptText"] is None


def test_nothing_said_is_null_and_a_task_id_comes_back_as_given() -> None:
    job = ended(language=None, language_probability=None, frozen=None)
    [result] = answers_of(job, "", origin(payload=payload(taskId=" 7 ", correlationId=...)), REPLY, 0)
    found = body(result.message)
    assert [found[name] for name in ("transcriptText", "detectedLanguage", "confidence", "correlationId")] == [None] * 4
    assert (found["taskId"], found["engine"], found["modelVersion"]) == (" 7 ", "faster-whisper", "small")
    assert datetime.fromisoformat(found["completedAt"]).tzinfo is not None


def test_attempts_are_counted_from_the_number_that_came() -> None:
    for failures, came, status, counted in [
        (0, 0, JobStatus.COMPLETED, 0),
        (2, 0, JobStatus.COMPLETED, 2),
        (2, 1, JobStatus.FAILED, 2),
        (0, 4, JobStatus.CANCELLED, 4),
    ]:
        *_, result = answers_of(ended(status, failures=failures), "", origin(attempt=came), REPLY, 0)
        assert headers(result.message)["attempt"] == str(counted)


def test_the_message_id_is_the_same_for_every_repetition_on_any_database() -> None:
    def ids(job: Any, came: Any, before: int = 0) -> list[str]:
        return [headers(one.message)["message-id"] for one in answers_of(job, "", came, REPLY, before)]

    job = ended(JobStatus.FAILED, TOO_LONG, failures=1)
    first = ids(job, origin())
    assert ids(replace(job, id="of another database"), origin(attempt=3)) == first
    assert len({*first, *ids(job, origin(payload=payload(jobId="j-2"))), *ids(job, origin(), 1)}) == 6


@pytest.mark.parametrize("text", ["word " * 400_000, "नमस्ते " * 200_000, "x" * 2_000_000, '"\\\n' * 500_000])
def test_a_result_over_the_brokers_limit_keeps_its_fields_and_is_cut_at_a_word(text: str) -> None:
    [result] = answers_of(ended(), text, origin(), replace(REPLY, url="https://stt.example.org/{id}"), 0)
    found, size = body(result.message), len(result.message.value or b"")
    assert size < 999_000
    assert size > 990_000, "as much as fits"
    assert (found["truncated"], found["transcriptUrl"]) == (True, "https://stt.example.org/ours")
    kept = found["transcriptText"]
    assert text.startswith(kept)
    assert " " not in text[:1000] or text[len(kept)] == " "
    whole = body(answers_of(ended(), "short", origin(), REPLY, 0)[0].message)
    assert set(found) - {"truncated", "transcriptUrl"} == set(whole)


def test_the_letter_of_what_cannot_be_read_has_its_bytes() -> None:
    raw = b"\xff no job"
    letter = letter_for(Unusable("INVALID_PAYLOAD", "No.", None), raw, origin(payload=None, key=b"k"), REPLY, "m", 0.0)
    found = body(letter.message)
    assert (found["failureStage"], found["job"], found["errorCode"]) == ("VALIDATION", None, "INVALID_PAYLOAD")
    assert b64decode(found["raw"]) == raw
    assert letter.message.key == b"k", "the original's key, where there is no job id"
    assert found["failedAt"] == "1970-01-01T00:00:00.000Z"


def test_a_letter_says_as_much_as_fits() -> None:
    raw = b"\xff" * 2**20
    letter = letter_for(Unusable("INVALID_PAYLOAD", "No.", None), raw, origin(payload=None), REPLY, "m", 0.0)
    assert len(letter.message.value or b"") < 1_000_000
    assert body(letter.message)["truncated"] is True
    long = payload(extra="x" * 999_999)
    letter = letter_for(Unusable("JOB_ID_REUSED", "No.", long), b"", origin(payload=long), REPLY, "m", 0.0)
    assert len(letter.message.value or b"") < 1_000_000
    assert body(letter.message)["job"]["jobId"] == "j-1"


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_a_stage_of_the_contract(kind: Any) -> None:
    code = code_of(ErrorRecord(kind.code, "", kind.stage.value if kind.stage else None))
    assert code in {
        "DOWNLOAD_FAILED", "DOWNLOAD_TIMEOUT", "AUDIO_TOO_LARGE", "AUDIO_TOO_LONG", "UNSUPPORTED_FORMAT",
        "TRANSCRIBE_TIMEOUT", "MODEL_LOAD_FAILED", "TRANSCRIBE_FAILED", "INTERNAL_ERROR",
    }  # fmt: skip
    assert stage_of(code) in {"DOWNLOAD", "TRANSCRIBE", "PUBLISH"}


@pytest.mark.parametrize(
    ("code", "stage", "expected"),
    [
        ("address_not_allowed", "DOWNLOAD", "DOWNLOAD_FAILED"),
        ("source_not_found", "DOWNLOAD", "DOWNLOAD_FAILED"),
        ("fetch_timeout", "DOWNLOAD", "DOWNLOAD_TIMEOUT"),
        ("source_too_large", "DOWNLOAD", "AUDIO_TOO_LARGE"),
        ("corrupt_audio", "DECODE", "UNSUPPORTED_FORMAT"),
        ("engine_timeout", "TRANSCRIBE", "TRANSCRIBE_TIMEOUT"),
        ("attempt_timeout", "TRANSCRIBE", "TRANSCRIBE_TIMEOUT"),
        ("model_unavailable", "TRANSCRIBE", "MODEL_LOAD_FAILED"),
        ("engine_crashed", "TRANSCRIBE", "TRANSCRIBE_FAILED"),
        ("storage_unavailable", None, "INTERNAL_ERROR"),
        ("of_a_later_version", None, "INTERNAL_ERROR"),
    ],
)
def test_the_codes_of_errors(code: str, stage: str | None, expected: str) -> None:
    assert code_of(ErrorRecord(code, "", stage)) == expected


def test_trace_headers_go_on() -> None:
    [result] = answers_of(ended(finished_at=NOON), "", origin(trace={"traceparent": "00-1-2-01"}), REPLY, 0)
    assert headers(result.message)["traceparent"] == "00-1-2-01"
