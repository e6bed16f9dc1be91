"""Read a job from a message's value: JSON in UTF-8, as the senders in the field write it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

#: The fields that differ when a sender publishes the same job once more.
_DIFFERS = ("createdAt", "correlationId")

_TEXTS = ("jobId", "taskId", "audioUrl")
_TEXTS_OR_NULL = ("languageHint", "correlationId")

#: The highest attempt that is counted on from; a larger number in a header is a mistake.
_MOST_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A job as its sender asked for it. `payload` has all its fields, also those that we do not know."""

    job_id: str
    task_id: str
    audio_url: str
    language_hint: str | None
    correlation_id: str | None
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that is no valid job: the contract's code, the reason in words, and what could be read."""

    code: str
    message: str
    payload: Mapping[str, Any] | None = None

    @property
    def job_id(self) -> str | None:
        found = (self.payload or {}).get("jobId")
        return found if isinstance(found, str) and found else None


INVALID_PAYLOAD = "INVALID_PAYLOAD"
JOB_ID_REUSED = "JOB_ID_REUSED"


def read_job(value: bytes, most_bytes: int) -> JobMessage | Unusable:
    """Return the job of a message's value, or why it is none. A value over `most_bytes` is not read."""
    if len(value) > most_bytes:
        return Unusable(INVALID_PAYLOAD, f"The message has {len(value)} bytes; at most {most_bytes} are read.")
    try:
        payload = json.loads(value.decode("utf-8-sig"), parse_constant=_no_constant)
        json.dumps(payload, allow_nan=False)  # 1e999 is read as infinity, which no answer could give back
    except UnicodeDecodeError:
        return Unusable(INVALID_PAYLOAD, "The message is not text in UTF-8.")
    except (ValueError, RecursionError):
        return Unusable(INVALID_PAYLOAD, "The message is not JSON, or has numbers beyond all bounds.")
    if not isinstance(payload, dict):
        return Unusable(INVALID_PAYLOAD, "The message is not a JSON object.")
    if fault := _fault(payload):
        return Unusable(INVALID_PAYLOAD, fault, payload)
    return JobMessage(
        payload["jobId"],
        payload["taskId"],
        payload["audioUrl"],
        payload.get("languageHint"),
        payload.get("correlationId"),
        payload,
    )


def value_mark(value: bytes, found: JobMessage | Unusable, place: str) -> str:
    """Return the digest by which a message is known again: of its payload, without what differs each time that a sender
    publishes it. A message without a job's id is known by its `place`, too: such messages have no sender who asks
    again."""
    job_id = found.job_id
    if job_id is None or found.payload is None:
        return sha256(place.encode() + b"\n" + value).hexdigest()
    same = {name: field for name, field in found.payload.items() if name not in _DIFFERS}
    return sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()


def attempt_of(header: bytes | None) -> int:
    """Return the attempt that a message's header says, decimal text; 0 without one, or for one that is no number."""
    text = (header or b"").strip()
    number = int(text) if text.isdigit() and len(text) <= len(str(_MOST_ATTEMPTS)) else 0
    return min(number, _MOST_ATTEMPTS)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _fault(payload: Mapping[str, Any]) -> str:
    for name in _TEXTS:
        if not isinstance(payload.get(name), str) or not payload[name].strip():
            return f"`{name}` must be a text that is not empty."
    for name in _TEXTS_OR_NULL:
        if not isinstance(payload.get(name), str | None):
            return f"`{name}` must be a text or null."
    if not _is_time(payload.get("createdAt")):
        return "`createdAt` must be an ISO-8601 time, or a number of seconds since 1970."
    return ""


def _is_time(given: object) -> bool:
    if isinstance(given, bool):
        return False
    if isinstance(given, int | float):
        return math.isfinite(given)
    try:
        datetime.fromisoformat(given)  # type: ignore[arg-type] # what is no text raises TypeError
    except (TypeError, ValueError):
        return False
    return True
