"""The shapes of the path contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.error_responses import Json, headers_of
from dictograph.errors import DictographError, QueueFull
from dictograph.job import Job, JobStatus

MISSING_PATH = "Missing path parameter"
NO_FILE = "No file uploaded"

#: A page waits for a text that is not empty.
NO_SPEECH = "[no speech]"


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Json:
    return Json(content, status, headers)


def refusal(message: str, status: int = 400) -> Json:
    """Return an error in the shape of all errors of this contract."""
    return answer({"error": message}, status)


def refused(error: DictographError) -> Response:
    """Return the answer for a DictographError."""
    return answer({"error": error.message}, _status(error), headers_of(error))


def _status(error: DictographError) -> int:
    """Return the error's status. In this contract a value that cannot be used is 400, and any failure here is 500."""
    if isinstance(error, QueueFull):
        return 503  # its clients know no 429
    if error.status == 422:
        return 400
    return min(error.status, 500)


def render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the answer for any error."""
    del request
    match error:
        case None:
            return refusal("Internal server error", 500)
        case DictographError():
            return refused(error)
        case _:
            return refusal("The request is not of the documented form.")


def status_of(job: Job, text: str) -> dict[str, str]:
    """Return a job's state: exactly one of three."""
    match job.status:
        case JobStatus.COMPLETED:
            return {"status": "completed", "transcription": text.strip() or NO_SPEECH}
        case JobStatus.FAILED:
            return {"status": "error", "error": job.error.message if job.error else "The transcription failed."}
        case JobStatus.CANCELLED:
            return {"status": "error", "error": "The transcription was cancelled."}
        case _:
            return {"status": "processing"}
