"""The payload for a receiver: `{"type", "timestamp", "data"}`, small for every job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dictograph.job import Job, JobStatus

#: The event type for each final state of a job.
TYPES: Mapping[JobStatus, str] = {
    JobStatus.COMPLETED: "transcription.completed",
    JobStatus.FAILED: "transcription.failed",
    JobStatus.CANCELLED: "transcription.cancelled",
}

#: The event type of a test call.
PING = "webhook.test"

#: The length at which an error message or a file name is cut: the specification asks for less than 20 kB, and
#: `metadata` alone may have 16 KiB.
_LONGEST_TEXT = 1000


def job_payload(job: Job) -> dict[str, Any]:
    """Return the payload for a job that has ended. It does not contain the text: `links.transcript` leads to it."""
    assert job.finished_at is not None, "it has ended"
    here = f"/v1/transcriptions/{job.id}"
    error = job.error
    data = {
        "id": job.id,
        "status": job.status.value,
        "filename": job.filename[:_LONGEST_TEXT],
        "metadata": job.metadata,
        "language": job.language,
        "language_probability": job.language_probability,
        "duration": job.duration,
        "engine": job.frozen.engine if job.frozen else None,
        "model": job.frozen.model if job.frozen else None,
        "error": error and {"code": error.code, "message": error.message[:_LONGEST_TEXT], "stage": error.stage},
        "created_at": written(job.created_at),
        "finished_at": written(job.finished_at),
        "links": {"self": here, "events": f"{here}/events", "transcript": f"{here}/transcript"},
    }
    return {"type": TYPES[job.status], "timestamp": data["finished_at"], "data": data}


def ping_payload(now: datetime) -> dict[str, Any]:
    """Return the payload of a test call."""
    return {"type": PING, "timestamp": written(now), "data": {}}


def written(moment: datetime) -> str:
    """Return a time in the format of the API."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def body_of(payload: Mapping[str, Any]) -> bytes:
    """Return the bytes that are signed and sent: ASCII, and the same at every attempt."""
    return json.dumps(payload, allow_nan=False, separators=(",", ":")).encode("ascii")
