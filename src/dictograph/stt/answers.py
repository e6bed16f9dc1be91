"""Results and dead letters, with the fields and types that the consumers in the field read.

A repetition is the same, byte for byte, since an answer is stored as it is made. Its `message-id` depends on the
sender's job and on the kind of answer alone: a reader that gets two of one id needs only one of them.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from dictograph.broker import Headers, Outgoing
from dictograph.job import Job, JobStatus
from dictograph.stt.codes import CANCELLED, INTERNAL_ERROR, VALIDATION, code_of, stage_of
from dictograph.stt.job_message import Unusable

#: What a message has beside key and value: headers, and the broker's own frame. In bytes, and generous.
_FRAME = 1024

_ENGINES = {"whisper": "faster-whisper", "auto": "faster-whisper"}


@dataclass(frozen=True, slots=True)
class Reply:
    """Where answers go, as the settings were when the message came. `model` is the model as it was configured,
    `most_bytes` what the broker takes, `url` the address of the whole transcript ("{id}" stands for the job)."""

    results: str
    dead_letters: str
    model: str
    most_bytes: int
    url: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """The message that a job came from. `payload` is empty where it could not be read."""

    topic: str
    partition: int
    offset: int
    attempt: int
    payload: Mapping[str, Any] | None
    key: bytes | None = None
    trace: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to be sent; `kind` says which one of its job."""

    kind: str
    message: Outgoing


def answers_of(job: Job, text: str, origin: Origin, reply: Reply, ends_before: int) -> list[Answer]:
    """Return what the end of a job answers, in order: of one that failed for good, a dead letter and a result.

    `ends_before` counts earlier ends: a failed job that is run again ends again, with answers of its own.
    """
    attempt = last_attempt(job, origin)
    headers = _headers(attempt, origin)
    result_headers = _with_id(headers, job_key(origin), "result", ends_before)
    result = Answer("result", _result(job, text, origin, reply, result_headers))
    if job.status is not JobStatus.FAILED:
        return [result]
    letter_headers = _with_id(headers, job_key(origin), "dead-letter", ends_before)
    return [Answer("dead-letter", _letter_of(job, origin, reply, attempt, letter_headers)), result]


def smaller(value: bytes, job_id: str) -> bytes | None:
    """Return a result with half as much text, for a topic that takes less than the broker said; None for a message that
    cannot be made smaller. Its other fields are kept."""
    try:
        result = json.loads(value)
    except ValueError:
        return None
    text = result.get("transcriptText") if isinstance(result, dict) else None
    if not isinstance(text, str) or not text:
        return None
    where = result.get("transcriptUrl") or _path_of(job_id)
    cut = {**result, "transcriptText": "", "truncated": True, "transcriptUrl": where}
    cut["transcriptText"] = _as_much_as_fits(text, len(encoded(text)) // 2)
    return encoded(cut)


def letter_for(unusable: Unusable, value: bytes, origin: Origin, reply: Reply, mark: str, now: float) -> Answer:
    """Return the dead letter for a message that is no valid job, at `now` (seconds since 1970). It says as much of the
    message as fits. `mark` is its digest."""
    headers = _with_id(_headers(origin.attempt, origin), mark, unusable.code, 0)
    key = unusable.job_id.encode("utf-8", "replace") if unusable.job_id else origin.key
    letter = {
        **_where(origin, datetime.fromtimestamp(now, UTC), VALIDATION),
        "job": unusable.payload,
        "errorCode": unusable.code,
        "errorMessage": unusable.message,
        "attempt": origin.attempt,
    }
    if unusable.payload is None:
        letter |= _raw(value, reply.most_bytes - _FRAME - 2048 - len(key or b""))
    return Answer("dead-letter", _fitting_letter(letter, key, headers, reply))


def last_attempt(job: Job, origin: Origin) -> int:
    """Return the number of the job's last attempt: counting starts at the number that its message came with."""
    failed_ones = job.failures - 1 if job.status is JobStatus.FAILED else job.failures
    return origin.attempt + max(failed_ones, 0)


def job_key(origin: Origin) -> str:
    """Return the sender's id of the job."""
    return str((origin.payload or {}).get("jobId", ""))


def _result(job: Job, text: str, origin: Origin, reply: Reply, headers: Headers) -> Outgoing:
    payload = origin.payload or {}
    done = job.status is JobStatus.COMPLETED
    code, message = _error_of(job)
    value = {
        "jobId": job_key(origin),
        "taskId": payload.get("taskId"),
        "status": "COMPLETED" if done else "FAILED",
        "transcriptText": (text or None) if done else None,
        "detectedLanguage": job.language if done else None,
        "confidence": job.language_probability if done else None,
        "engine": _engine_of(job),
        "modelVersion": reply.model or (job.frozen.model if job.frozen else ""),
        "errorCode": code,
        "errorMessage": message,
        "completedAt": _time(job.finished_at or job.updated_at),
        "correlationId": payload.get("correlationId"),
    }
    key = job_key(origin).encode("utf-8", "replace")
    room = reply.most_bytes - _FRAME - len(key)
    if done and len(encoded(value)) > room:
        where = reply.url.replace("{id}", job.id) or _path_of(job.id)
        value |= {"transcriptText": "", "truncated": True, "transcriptUrl": where}
        value["transcriptText"] = _as_much_as_fits(text, room - len(encoded(value)))
    return Outgoing(reply.results, key, encoded(value), headers)


def _letter_of(job: Job, origin: Origin, reply: Reply, attempt: int, headers: Headers) -> Outgoing:
    code, message = _error_of(job)
    letter = {
        **_where(origin, job.finished_at or job.updated_at, stage_of(code or INTERNAL_ERROR)),
        "job": origin.payload,
        "errorCode": code,
        "errorMessage": message,
        "attempt": attempt,
    }
    return _fitting_letter(letter, job_key(origin).encode("utf-8", "replace"), headers, reply)


def _fitting_letter(letter: dict[str, Any], key: bytes | None, headers: Headers, reply: Reply) -> Outgoing:
    """Return the letter; a job that makes it too long for the broker is left out, but for what names it."""
    value = encoded(letter)
    if len(value) > reply.most_bytes - _FRAME - len(key or b"") and isinstance(letter["job"], Mapping):
        kept = {name: text for name, text in letter["job"].items() if isinstance(text, str) and len(text) <= 256}
        value = encoded({**letter, "job": dict(list(kept.items())[:16]), "truncated": True})
    return Outgoing(reply.dead_letters, key, value, headers)


def _where(origin: Origin, failed_at: datetime, stage: str) -> dict[str, Any]:
    return {
        "originalTopic": origin.topic,
        "originalPartition": origin.partition,
        "originalOffset": origin.offset,
        "failedAt": _time(failed_at),
        "failureStage": stage,
    }


def _raw(value: bytes, most: int) -> dict[str, Any]:
    """Return the bytes as they came, in base64, as many as fit."""
    kept = value[: max(most, 0) * 3 // 4 // 3 * 3]
    found: dict[str, Any] = {"raw": base64.b64encode(kept).decode()}
    return found if len(kept) == len(value) else {**found, "truncated": True}


def _error_of(job: Job) -> tuple[str | None, str | None]:
    if job.status is JobStatus.COMPLETED:
        return None, None
    if job.status is JobStatus.CANCELLED:
        return CANCELLED, "The job was cancelled."
    if job.error is None:
        return INTERNAL_ERROR, "The job failed."
    return code_of(job.error), job.error.message


def _engine_of(job: Job) -> str:
    name = job.frozen.engine if job.frozen else job.options.engine
    return _ENGINES.get(name, name)


def _path_of(job_id: str) -> str:
    return f"/v1/transcriptions/{job_id}/transcript?format=txt"


def _as_much_as_fits(text: str, room: int) -> str:
    """Return the text's beginning, cut at a word, that needs at most `room` bytes in JSON."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if len(encoded(text[:middle])) - 2 <= room:
            low = middle
        else:
            high = middle - 1
    if low == len(text) or text[low].isspace():
        return text[:low].rstrip()
    head, space, _ = text[:low].rpartition(" ")
    return head if space else text[:low]


def _headers(attempt: int, origin: Origin) -> Headers:
    trace = ((name, text.encode()) for name, text in origin.trace.items())
    return (("attempt", str(attempt).encode()), *trace)


def _with_id(headers: Headers, name: str, kind: str, number: int) -> Headers:
    again = f"\n{number}" if number else ""
    made = uuid5(NAMESPACE_URL, f"dictograph:{kind}\n{_clean(name)}{again}")
    return (*headers, ("message-id", str(made).encode()))


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encoded(value: object) -> bytes:
    """Return the value as compact JSON in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
