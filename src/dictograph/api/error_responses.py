"""Errors over HTTP: one JSON shape for every error."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match

from dictograph.errors import DictographError, InvalidRequest, RequestError, TooManyRequests

log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed"}
_MESSAGES = {404: "There is nothing at this address.", 405: "This address does not know the method."}


class NotAcceptable(RequestError):
    """The client accepts none of the formats that exist."""

    code = "not_acceptable"
    status = 406


class UnsupportedMediaType(RequestError):
    """The body is of a kind that this address does not take."""

    code = "unsupported_media_type"
    status = 415


class EncodedBody(RequestError):
    """The body is compressed, or encoded in another way. The service does not decode it."""

    code = "unsupported_encoding"
    status = 415


class RequestTimeout(RequestError):
    """The client stopped sending in the middle."""

    code = "request_timeout"
    status = 408


class UploadTooSlow(RequestError):
    """The client sends next to nothing."""

    code = "upload_too_slow"
    status = 408


class AbsurdChunking(RequestError):
    """The client sends pieces so small that reading them costs more than their content is worth."""

    code = "absurd_chunking"


class MalformedBody(RequestError):
    """The body is not what its content type says."""


class Json(JSONResponse):
    """JSON that can carry any text of a client. Half a surrogate pair is written as its escape."""

    def render(self, content: Any) -> bytes:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")


def error_response(error: DictographError, headers: Mapping[str, str] | None = None) -> Json:
    """Return the answer for an error."""
    return Json({"error": error.as_dict()}, error.status, {**headers_of(error), **(headers or {})})


def headers_of(error: DictographError) -> dict[str, str]:
    """Return what a client should know beside the body: when to try again, and how to identify itself."""
    if isinstance(error, TooManyRequests):
        return {"retry-after": str(max(1, math.ceil(error.retry_after)))}
    if isinstance(error, EncodedBody):
        return {"accept-encoding": "identity"}  # RFC 7694: this tells the two kinds of 415 apart
    if error.status == 503:
        return {"retry-after": "5"}
    return {"www-authenticate": "Bearer"} if error.status == 401 else {}


def unexpected() -> Json:
    """Return the answer for a fault of ours. The fault itself is in the log, not in the answer."""
    message = "Something went wrong inside of Dictograph. The log has the details under this answer's x-request-id."
    return Json({"error": {"code": "internal_error", "message": message}}, 500)


def handle_errors(app: FastAPI, routes: Sequence[BaseRoute]) -> None:
    """Give every error of the application the one shape. `routes` are all routes of the application."""

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["allow"] = ", ".join(_allowed(request, routes))
        return _of_http(error, headers)

    app.add_exception_handler(DictographError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, of_http)


async def _ours(request: Request, error: Exception) -> Response:
    """Answer an error of a request or of a WebSocket's handshake. This HTTP answer then refuses the handshake."""
    assert isinstance(error, DictographError)
    if error.status >= 500:
        method = request.scope.get("method", "WebSocket")
        log.warning("%s %s: %s: %s", method, request.url.path, error.code, error)
    return error_response(error)


async def _invalid(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = [str(part) for part in first["loc"][1:]] or ["the request"]
    message = str(first["msg"])
    return error_response(InvalidRequest(f"{'.'.join(where)}: {message[:1].lower()}{message[1:]}.", param=where[0]))


def _of_http(error: HTTPException, headers: Mapping[str, str]) -> Json:
    shape: dict[str, Any] = {
        "code": _CODES.get(error.status_code, "http_error"),
        "message": _MESSAGES.get(error.status_code, str(error.detail)),
    }
    return Json({"error": shape}, error.status_code, headers)


def _allowed(request: Request, routes: Sequence[BaseRoute]) -> list[str]:
    """Return all methods of the address. Several routes may share it, and each knows only its own methods."""
    methods = set[str]()
    for route in routes:
        match, _ = route.matches(dict(request.scope))
        if match is not Match.NONE:
            methods |= set(getattr(route, "methods", None) or ())
    return sorted(methods)
