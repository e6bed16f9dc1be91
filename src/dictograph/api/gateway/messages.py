"""The messages that clients of this contract read: one function for each shape. Times are UTC and carry no offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from dictograph.job import Job, JobStatus
from dictograph.service.compat.contract_stats import ContractStats
from dictograph.service.compat.transcript_report import TranscriptReport
from dictograph.store.compat.traffic import Running, Traffic

CANCELLED = "The transcription was cancelled"
DELETED = "The request was deleted"
_UNREADABLE = "Audio file is corrupted or unreadable"
_UNREADABLE_CODES = frozenset({"corrupt_audio", "unsupported_format"})

_SAID = {
    JobStatus.PENDING: "The audio file waits to be transcribed",
    JobStatus.PROCESSING: "The audio file is being transcribed",
    JobStatus.COMPLETED: "The transcription is complete",
    JobStatus.FAILED: "The transcription has failed",
    JobStatus.CANCELLED: CANCELLED,
}
_NOTHING_KNOWN = "Nothing is known of this request"


def healthy(broker: str) -> dict[str, Any]:
    """Return the answer of the health check, with the state of the topic in one word."""
    return {"status": "Audio-Gateway is healthy", "kafka": broker}


def queued(job: Job) -> dict[str, Any]:
    """Return the answer to an upload."""
    return {
        "message": "Audio file queued for transcription",
        "request_id": job.id,
        "original_filename": job.filename,
    }


def unknown(request_id: str, websocket_url: str) -> dict[str, Any]:
    """Return the state of a request that does not exist."""
    return {
        "request_id": request_id,
        "status": "unknown",
        "message": _NOTHING_KNOWN,
        "websocket_url": websocket_url,
    }


def state(job: Job, websocket_url: str, reading: TranscriptReport | None) -> dict[str, Any]:
    """Return the state of a request; with `reading`, also the result of a completed one."""
    shape: dict[str, Any] = {
        "request_id": job.id,
        "status": JobStatus.FAILED if job.status is JobStatus.CANCELLED else job.status,
        "progress": job.progress,
        "message": _SAID[job.status],
        "websocket_url": websocket_url,
    }
    if reading is not None:
        shape["result"] = result(reading, reading.text, reading.prompts)
    elif job.status.ended:
        shape["error"] = error_of(job)
    return shape


def result(reading: TranscriptReport, transcription: str, prompts: Mapping[str, str]) -> dict[str, Any]:
    """Return the figures, the text and the prompts of a completed request."""
    return {
        "audio_duration_minutes": reading.audio_minutes,
        "transcription_word_count": reading.words,
        "estimated_reading_time_minutes": reading.reading_minutes,
        "transcription": transcription,
        "prompts": dict(prompts),
    }


def complete(job: Job, shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last message of a request that was completed; `shape` is its result."""
    return {
        "type": "transcription_complete",
        "request_id": job.id,
        "status": "SUCCESS",
        "result": shape,
        "completed_at": _moment(job.finished_at),
    }


def failed(request_id: str, error: str, at: datetime | None) -> dict[str, Any]:
    """Return the last message of a request that was not completed."""
    return {
        "type": "transcription_error",
        "request_id": request_id,
        "status": "FAILURE",
        "error": error,
        "failed_at": _moment(at),
    }


def error_of(job: Job) -> str:
    """Return the reason why a job that ended has no transcript."""
    if job.status is JobStatus.CANCELLED or job.error is None:
        return CANCELLED
    return _UNREADABLE if job.error.code in _UNREADABLE_CODES else job.error.message


def joined(request_id: str, status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a join."""
    return {"type": "joined", "request_id": request_id, "current_status": status}


def status_update(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message with the service's status."""
    return {"type": "status_update", "data": status}


def refused(why: str) -> dict[str, Any]:
    """Return the answer to a message that cannot be understood."""
    return {"type": "error", "error": why}


def status(board: ContractStats, traffic: Traffic, current: Running | None) -> dict[str, Any]:
    """Return the service's status for a client that may see `current`. If that is None and a request runs, the service
    is busy with another client's request."""
    return {
        "status": "processing" if current or traffic.running else "idle",
        "current_task": current
        and {
            "request_id": current.id,
            "filename": current.filename,
            "started_at": current.started_at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds"),
        },
        "queue_length": traffic.waiting,
        "uptime_minutes": round(board.uptime / 60, 1),
        "processed_count": traffic.completed,
        "error_count": traffic.failed,
    }


def current_of(traffic: Traffic, owner: str, joined_ids: Iterable[str]) -> Running | None:
    """Return the running request that a client is shown: one that it joined, else the first of its owner's."""
    wanted = frozenset(joined_ids)
    seen = [one for one in traffic.running if one.id in wanted or one.owner == owner]
    return min(seen, key=lambda one: one.id not in wanted, default=None)


def running(job: Job | None, *, ended_too: bool = False) -> Running | None:
    """Return the job, if it runs. `ended_too`: also if it ran and has ended."""
    if job is None or job.started_at is None:
        return None
    if job.status is JobStatus.PROCESSING or (ended_too and job.status.ended):
        return Running(job.id, job.owner, job.filename, job.started_at)
    return None


def _moment(at: datetime | None) -> str:
    return (at or datetime.now(UTC)).astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
