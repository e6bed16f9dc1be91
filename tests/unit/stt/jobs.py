"""Jobs, messages and ends of contract K, for its tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from dictograph.broker import Incoming
from dictograph.contract import Contract
from dictograph.job import ErrorRecord, FrozenEngine, Job, JobStatus, Options, Source, SourceKind
from dictograph.stt.answers import Origin, Reply

REPLY = Reply("stt.results", "stt.jobs.dlq", "small", 1_000_000)
NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def payload(**values: Any) -> dict[str, Any]:
    asked = {
        "jobId": "j-1",
        "taskId": "t-1",
        "audioUrl": "https://example.org/a.mp3",
        "languageHint": "hi-IN",
        "createdAt": "2026-01-02T03:04:05.123456789Z",
        "correlationId": "c-1",
        **values,
    }
    return {name: value for name, value in asked.items() if value is not ...}


def value(**values: Any) -> bytes:
    return json.dumps(payload(**values)).encode()


def message(data: bytes | None, offset: int = 7, **values: Any) -> Incoming:
    return Incoming("stt.jobs", 0, offset, b"j-1", data, **values)


def origin(**values: Any) -> Origin:
    given: dict[str, Any] = {"attempt": 0, "payload": payload(), **values}
    return Origin("stt.jobs", 0, 7, **given)


def ended(status: JobStatus = JobStatus.COMPLETED, error: ErrorRecord | None = None, **values: Any) -> Job:
    given: dict[str, Any] = {
        "frozen": FrozenEngine("whisper", "small", "r"),
        "language": "ta",
        "language_probability": 0.87,
        "finished_at": NOON,
        **values,
    }
    return Job(
        id="ours",
        owner="local",
        filename="a.mp3",
        status=status,
        source=Source(SourceKind.URL, "https://example.org/a.mp3"),
        options=Options(),
        created_at=NOON,
        updated_at=NOON,
        contract=Contract.STT_WORKER,
        error=error,
        **given,
    )
