"""What a receiver is told: `{"type", "timestamp", "data"}`, small whatever the job is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dictograph.job import Job, JobStatus

#: The type of the event for each end of a job.
TYPES: Mapping[JobStatus, str] = {
    JobStatus.COMPLETED: "transcription.completed",
    JobStatus.FAILED: "transcription.failed",
    JobStatus.CANCELLED: "transcription.cancelled",
}

#: The type of what is sent to try a receiver out.
PING = "webhook.test"

#: An error's message is cut here, a file name too: the specification asks for less than 20 kB, and `metadata` alone
#: may have 16 KiB.
_LONGEST_TEXT = 1000


def job_payload(job: Job) -> dict[str, Any]:
    """What is told of a job that has ended. The text is not in it: `links.transcript` has that."""
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
    """What is sent to try a receiver out."""
    return {"type": PING, "timestamp": written(now), "data": {}}


def written(moment: datetime) -> str:
    """A time as all of the API writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def body_of(payload: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent: ASCII, and the same ones at every attempt."""
    return json.dumps(payload, allow_nan=False, separators=(",", ":")).encode("ascii")
