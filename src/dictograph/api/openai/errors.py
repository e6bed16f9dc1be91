"""Errors as OpenAI's clients know them: `message`, `type`, `param` and `code`, always all four."""

from __future__ import annotations

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.error_responses import Json, headers_of
from dictograph.errors import DictographError, JobStateConflict, ModelNotAllowed, RequestError

_FAULT = "Something went wrong inside of Dictograph. The log has the details under this answer's x-request-id."

#: Statuses that these clients know by another number.
_STATUSES = {422: 400, 502: 500, 504: 500, 507: 503}

#: Codes that these clients test for, by our codes.
_CODES = {
    "unauthorized": "invalid_api_key",
    "model_not_allowed": "model_not_found",
    "too_many_requests": "rate_limit_exceeded",
    "queue_full": "rate_limit_exceeded",
}

_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests"}


class UnsupportedValue(RequestError):
    """A field has a value that OpenAI knows, but that cannot be done here."""

    code = "unsupported_value"


class UnknownAddress(RequestError):
    """There is nothing at this address of the audio API."""

    code = "unknown_url"
    status = 404


class MethodNotAllowed(RequestError):
    """An address of the audio API does not know the method."""

    code = "method_not_allowed"
    status = 405


def render(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the answer for an error. None is a fault of ours."""
    del request
    return Json(shape(None), 500) if error is None else refusal(_ours(error))


def render_natively(request: Request, error: DictographError | RequestValidationError | None) -> Response:
    """Return the same with the codes and statuses of the native API, for addresses that both contracts have."""
    del request
    if error is None:
        return Json(shape(None), 500)
    ours = _ours(error)
    body = shape(ours)
    body["error"]["code"] = ours.code
    return Json(body, ours.status, headers_of(ours))


def refusal(error: DictographError) -> Json:
    """Return the answer for a DictographError."""
    status = _status(error)
    headers = headers_of(error)
    if isinstance(error, JobStateConflict) or (status >= 500 and status != 503):
        # All attempts are used, or the job was cancelled. OpenAI's clients obey this header.
        headers["x-should-retry"] = "false"
    return Json(shape(error, status), status, headers)


def not_allowed(request: Request, method: str) -> Response:
    """Return the answer where only `method` is allowed."""
    error = MethodNotAllowed(f"Not allowed to {request.method} on {request.url.path}: the method is {method}.")
    answer = refusal(error)
    answer.headers["allow"] = method
    return answer


def shape(error: DictographError | None, status: int | None = None) -> dict[str, dict[str, str | None]]:
    """Return the body of an error. None is a fault of ours."""
    if error is None:
        return {"error": {"message": _FAULT, "type": "server_error", "param": None, "code": "internal_error"}}
    status = status or error.status
    return {
        "error": {
            "message": error.message,
            "type": _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": error.param,
            "code": _CODES.get(error.code, error.code),
        }
    }


def _status(error: DictographError) -> int:
    match error:
        case ModelNotAllowed():
            return 404
        case JobStateConflict():  # 409 would make clients send the request again
            return 400
        case _:
            return _STATUSES.get(error.status, error.status)


def _ours(error: DictographError | RequestValidationError) -> DictographError:
    if isinstance(error, DictographError):
        return error
    first = error.errors()[0]
    where = [str(part) for part in first["loc"][1:]] or ["the request"]
    return RequestError(f"{'.'.join(where)}: {first['msg']}.", param=where[0])
