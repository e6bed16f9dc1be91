"""The errors of this contract: `{"error": "words"}`."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.error_responses import Json, headers_of
from dictograph.errors import (
    DatabaseUnavailable,
    DictographError,
    QueueFull,
    RequestError,
    ScopeMissing,
    ServerBusy,
    StorageFull,
    StorageUnavailable,
    Unauthorized,
)

_UNAUTHORIZED = "Unauthorized"
_UNAVAILABLE = "Service temporarily unavailable. Please try again later."
_UNEXPECTED = "Internal server error"


class Refused(RequestError):
    """An upload without a file that this contract takes. Its message is one that its clients know."""


def render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the answer for an error."""
    del request
    match error:
        case Unauthorized() | ScopeMissing():
            # One answer for both: a client that tries keys learns nothing about them.
            return Json({"error": _UNAUTHORIZED}, 401, {"www-authenticate": "Bearer"})
        case DatabaseUnavailable() | StorageFull() | StorageUnavailable() | ServerBusy():
            return Json({"error": _UNAVAILABLE}, 503, {"retry-after": "5"})
        case QueueFull():
            return Json({"error": _UNAVAILABLE}, 503, headers_of(error))
        case DictographError() if error.status < 500:
            return Json({"error": error.message}, error.status, headers_of(error))
        case RequestValidationError():
            return Json({"error": "Bad request"}, 400)
    return Json({"error": _UNEXPECTED}, 500)


def refusal(error: DictographError) -> Response:
    """Return the answer for a page or host that may not call."""
    return Json({"error": error.message}, error.status)
