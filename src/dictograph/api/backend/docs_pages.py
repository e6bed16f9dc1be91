"""The OpenAPI document, and pages that are made from it here: they need no script and load nothing from other hosts."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from dictograph.api.backend.pages import STYLE, page
from dictograph.api.backend.responses import Route
from dictograph.api.error_responses import Json
from dictograph.settings.model import Settings


def document_routes(settings: Settings) -> APIRouter:
    """Return GET /openapi.json, /docs and /redoc. All answer 403 when they are switched off."""
    router = APIRouter(route_class=Route, include_in_schema=False)

    @router.get("/openapi.json")
    async def openapi(request: Request) -> Response:
        return Json(_document(request)) if settings.backend_docs else _closed()

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        return _html(page(_document(request), unfolded=False)) if settings.backend_docs else _closed()

    @router.get("/redoc")
    async def redoc(request: Request) -> Response:
        return _html(page(_document(request), unfolded=True)) if settings.backend_docs else _closed()

    return router


def _document(request: Request) -> dict[str, Any]:
    document: dict[str, Any] = request.app.openapi()
    return document


def _closed() -> Response:
    return Json({"error": "Forbidden", "message": "The operator has switched these pages off."}, 403)


def _html(text: str) -> Response:
    policy = f"default-src 'none'; style-src '{_digest_of_style()}'; frame-ancestors 'none'; base-uri 'none'"
    return HTMLResponse(text, headers={"content-security-policy": policy})


@cache
def _digest_of_style() -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
