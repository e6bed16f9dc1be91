"""The public health checks, and the answers for unknown paths and methods."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match

from dictograph.api.backend.auth import PREFIX
from dictograph.api.backend.responses import Route, detail
from dictograph.api.error_responses import Json

_ALL = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def health_routes() -> APIRouter:
    """Return GET / and GET /api/v1."""
    router = APIRouter(tags=["backend"], route_class=Route)

    @router.get("/")
    async def root() -> Response:
        """The process lives and answers."""
        return Json({"message": "Dictograph is running"})

    @router.get(PREFIX)
    async def api() -> Response:
        """The process lives and answers."""
        return Json({"message": "Dictograph API v1 is running"})

    return router


def other_routes(routes: Sequence[BaseRoute]) -> APIRouter:
    """Return the rest of `/api/v1`: `OPTIONS` is public everywhere, and errors have this contract's shape."""
    router = APIRouter(tags=["backend"], route_class=Route)

    @router.api_route(f"{PREFIX}/{{rest:path}}", methods=_ALL, include_in_schema=False)
    async def rest(request: Request, rest: str) -> Response:
        del rest
        methods = sorted({method for route in routes for method in _methods_at(route, request)})
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"allow": ", ".join([*methods, "OPTIONS"])})
        if not methods:
            return detail("Not Found", 404)
        answer = detail("Method Not Allowed", 405)
        answer.headers["allow"] = ", ".join(methods)
        return answer

    return router


def _methods_at(route: BaseRoute, request: Request) -> set[str]:
    """Return the methods that a route has for the request's path."""
    if route.matches(dict(request.scope))[0] is Match.NONE:
        return set()
    return set(getattr(route, "methods", None) or ())
