"""The answers of this contract: errors are `{"detail": "..."}`."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.problems import Json, headers_of
from dictograph.api.surface import route_class
from dictograph.errors import DictographError, OriginNotAllowed, RequestError

_FAULT = "Internal server error"


class FileRefused(RequestError):
    """The file is not of the size, type or extension that this contract takes."""

    code = "file_refused"


def detail(message: str, status: int) -> Json:
    """An error as this contract's clients know it."""
    return Json({"detail": message}, status)


def answer(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """The answer for an error; what a fault of ours was stands in the log only."""
    del request
    if error is None:
        return detail(_FAULT, 500)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        return detail(f"{where}: {first['msg']}", 422)
    return refused(error)


def refused(error: DictographError) -> Response:
    """The answer for an error of ours. Pages of other origins get the shape that they always got."""
    if isinstance(error, OriginNotAllowed):
        return Json({"error": "Forbidden", "message": error.message}, 403)
    said = error.message if error.status != 500 else _FAULT
    return Json({"detail": said}, error.status, headers_of(error))


Route: type[APIRoute] = route_class(answer)
