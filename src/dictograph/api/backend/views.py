"""The JSON of this contract: a job."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from dictograph.api.backend.uploads import object_path
from dictograph.api.views import without_secrets
from dictograph.job import Job, JobStatus, SourceKind
from dictograph.service.compat.backend_updates import percent, reason, status_of
from dictograph.transcript import Segment, Word


class BackendJobView(BaseModel):
    """A job. Times are in UTC."""

    id: str
    filename: str = Field(examples=["talk.mp3"])
    status: str = Field(description="pending, processing, completed or failed.", examples=["completed"])
    creation_date: str = Field(examples=["2026-01-31 12:00:00"])
    update_date: str = Field(examples=["2026-01-31 12:00:09"])
    result_text: str | None
    processing_time_seconds: int | None
    error_message: str | None
    url: str = Field(description="Without its signature.")
    description: str | None
    whisper_model: str | None = Field(examples=["base"])
    language: str | None = Field(examples=["en"])
    language_probability: float | None
    duration: float | None = Field(description="Seconds of audio.")
    progress: int = Field(ge=0, le=100)
    segments: list[dict[str, Any]] | None = Field(None, description="Of a completed job; not in the list of jobs.")
    words: list[dict[str, Any]] | None = Field(None, description="As `segments`.")


def job_shape(job: Job, text: str | None, base: str, segments: Iterable[Segment] | None = None) -> dict[str, Any]:
    """Return a job as this contract's clients know it. For them, a cancelled job has failed. `base` is this service's
    address, `segments` are those of the job's transcript."""
    spoken = list(segments) if segments is not None else None
    ended = job.status.ended and job.processing_seconds is not None
    return {
        "id": job.id,
        "filename": job.filename,
        "status": status_of(job).value,
        "creation_date": _moment(job.created_at),
        "update_date": _moment(job.updated_at),
        "result_text": text if job.status is JobStatus.COMPLETED else None,
        "processing_time_seconds": round(job.processing_seconds or 0.0) if ended else None,
        "error_message": reason(job),
        "url": _address(job, base),
        "description": job.description,
        "whisper_model": job.options.model or (job.frozen.model if job.frozen else None),
        "language": job.language or (job.options.candidates[0] if len(job.options.candidates) == 1 else None),
        "language_probability": job.language_probability,
        "duration": job.duration,
        "progress": percent(job),
        "segments": None if spoken is None else [_segment(number, one) for number, one in enumerate(spoken)],
        "words": None if spoken is None else [_word(word) for one in spoken for word in one.words],
    }


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _address(job: Job, base: str) -> str:
    match job.source.kind:
        case SourceKind.OBJECT:
            return base + object_path(job.source.location.partition("/")[0], job.filename)
        case SourceKind.URL:
            return without_secrets(job.source.location)
        case _:
            return job.source.location


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    return {
        "id": number,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text.strip(),
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
        "temperature": segment.temperature,
    }


def _word(word: Word) -> dict[str, Any]:
    return {"start": word.start, "end": word.end, "word": word.word.strip(), "probability": word.probability}
