"""The small application of a process that runs jobs: whether it lives, whether it is ready, and its metrics.

It is for probes and for Prometheus, on addresses of its own, without keys: it says nothing of any job.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dictograph.api.error_responses import Json, error_response
from dictograph.api.server.response_middleware import ResponseMiddleware
from dictograph.api.views import HealthView, ready_view
from dictograph.errors import NotFound
from dictograph.service.status import StatusService

#: What Prometheus reads (its text format, version 0.0.4).
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

_PATHS = "There are /health, /ready and /metrics."


def create_worker_app(board: StatusService, exposition: Callable[[], Awaitable[bytes]]) -> Starlette:
    """Return the application.

    Args:
        board: the status of this process.
        exposition: gives the metrics, in Prometheus' text format.
    """

    async def health(_: Request) -> Response:
        return Json(HealthView().model_dump())

    async def ready(_: Request) -> Response:
        view = ready_view(await board.readiness())
        return Json(view.model_dump(mode="json"), 200 if view.ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(await exposition(), media_type=_PROMETHEUS)

    async def unknown(_: Request, __: Exception) -> Response:
        return error_response(NotFound(_PATHS))

    return Starlette(
        routes=[
            *(Route(path, health) for path in ("/", "/health", "/healthz")),
            *(Route(path, ready) for path in ("/ready", "/readyz")),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(ResponseMiddleware)],
        exception_handlers={404: unknown},
    )
