"""The answers of this contract: errors are `{"detail": "..."}`."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.error_responses import Json, headers_of
from dictograph.api.openapi_schemas import Responses
from dictograph.api.surface import route_class
from dictograph.errors import DictographError, OriginNotAllowed, RequestError

_FAULT = "Internal server error"

_SAID = {
    400: "The file breaks a rule, cannot be read, or the request is malformed.",
    401: "A key is needed, and there was none that is valid.",
    403: "The page's origin is not allowed, the key is not for this, or the address to upload to is not good.",
    404: "There is no such job, or no such address to upload to.",
    408: "The request stopped coming in the middle.",
    409: "Another file was uploaded to this address, or a request with this key is still being received.",
    413: "The file is too large.",
    415: "The body is encoded.",
    422: "The request is not of this form.",
    429: "There were too many requests.",
    500: "A fault of the service.",
    503: "The database or the storage cannot be reached.",
    507: "The storage is full.",
}


class FileRefused(RequestError):
    """The file is not of the size, type or extension that this contract takes."""

    code = "file_refused"


def detail(message: str, status: int) -> Json:
    """Return an error as this contract's clients know it."""
    return Json({"detail": message}, status)


def answer(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the answer for an error. The details of a fault of ours are only in the log."""
    del request
    if error is None:
        return detail(_FAULT, 500)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return detail(f"{where}: {first['msg']}", 422)
    return refused(error)


def refused(error: DictographError) -> Response:
    """Return the answer for a DictographError. Pages of other origins get the shape that they always got."""
    if isinstance(error, OriginNotAllowed):
        return Json({"error": "Forbidden", "message": error.message}, 403)
    said = error.message if error.status != 500 else _FAULT
    return Json({"detail": said}, error.status, headers_of(error))


Route: type[APIRoute] = route_class(answer)


class DetailView(BaseModel):
    """The one shape of this contract's errors."""

    detail: str


def details(*statuses: int) -> Responses:
    """Return an operation's error answers, with those that can always come. 403 may also be `{"error", "message"}`."""
    answers: Responses = {}
    for status in sorted({*statuses, 400, 401, 403, 429, 500, 503}):
        answers[status] = {"description": _SAID[status]} | ({} if status == 403 else {"model": DetailView})
    return answers
