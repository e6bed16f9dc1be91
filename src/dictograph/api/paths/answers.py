"""The shapes of the path contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.problems import Json, headers_of
from dictograph.errors import DictographError
from dictograph.job import Job, JobStatus

MISSING_PATH = "Missing path parameter"
NO_FILE = "No file uploaded"

#: A page waits for a text that is not empty.
NO_SPEECH = "[no speech]"

#: For clients that look for it without saying where they come from; the guard names the origin of those that do.
FOR_ALL: Mapping[str, str] = {"access-control-allow-origin": "*"}


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Json:
    return Json(content, status, {**FOR_ALL, **(headers or {})})


def refusal(message: str, status: int = 400) -> Json:
    """An error, as this contract has all of them."""
    return answer({"error": message}, status)


def refused(error: DictographError) -> Response:
    """The answer for one of our errors. What cannot be used has one status in this contract."""
    return answer({"error": error.message}, 400 if error.status == 422 else error.status, headers_of(error))


def render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """The answer for an error, whatever raised it."""
    del request
    match error:
        case None:
            return refusal("Internal server error", 500)
        case DictographError():
            return refused(error)
        case _:
            return refusal("The request is not of the documented form.")


def status_of(job: Job, text: str) -> dict[str, str]:
    """Where a job is: exactly one of three states."""
    match job.status:
        case JobStatus.COMPLETED:
            return {"status": "completed", "transcription": text.strip() or NO_SPEECH}
        case JobStatus.FAILED:
            return {"status": "error", "error": job.error.message if job.error else "The transcription failed."}
        case JobStatus.CANCELLED:
            return {"status": "error", "error": "The transcription was cancelled."}
        case _:
            return {"status": "processing"}
