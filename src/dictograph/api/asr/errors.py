"""Errors as FastAPI writes them, because that service is made with it: `{"detail": …}`."""

from __future__ import annotations

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.error_responses import Json, headers_of
from dictograph.errors import DictographError, InvalidOption, InvalidRequest, QueueFull


def render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the answer for an error. None is a fault of ours."""
    del request
    if error is None:
        return Json({"detail": "Internal Server Error"}, 500)
    if isinstance(error, RequestValidationError):
        return Json({"detail": jsonable_encoder(error.errors())}, 422)
    return refusal(error)


def refusal(error: DictographError) -> Json:
    """Return the answer for a DictographError. An error of a field or parameter is written as a list."""
    if isinstance(error, InvalidRequest | InvalidOption) and error.param:
        place = "body" if error.param == "audio_file" else "query"
        detail = [{"type": "value_error", "loc": [place, error.param], "msg": error.message, "input": None}]
        return Json({"detail": detail}, 422)
    status = 503 if isinstance(error, QueueFull) else error.status  # its clients know no 429
    return Json({"detail": error.message}, status, headers_of(error))
