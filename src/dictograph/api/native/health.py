"""The routes about the service itself."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.responses import Response

from dictograph import __version__
from dictograph.api.access import Reader
from dictograph.api.error_responses import Json
from dictograph.api.openapi_schemas import problems
from dictograph.api.views import (
    HealthView,
    ReadyView,
    StatusView,
    ready_view,
    status_view,
)
from dictograph.service.auth.access import Scope
from dictograph.service.services import Services


def health_routes(services: Services) -> APIRouter:
    """Return the routes health, ready and status."""
    router = APIRouter(tags=["service"])
    board = services.status

    @router.get("/health", response_model=HealthView, responses=problems(public=True))
    async def health() -> Response:
        """The process lives and answers. Whether it can transcribe, `/ready` tells."""
        return Json(HealthView().model_dump())

    @router.get(
        "/ready",
        response_model=ReadyView,
        responses={**problems(public=True), 503: {"model": ReadyView, "description": "Not ready; `reason` says why."}},
    )
    async def ready() -> Response:
        """Whether a real inference has worked and there is space for uploads; else the reason."""
        view = ready_view(await board.readiness())
        return Json(view.model_dump(mode="json"), 200 if view.ready else 503)

    @router.get("/v1/status", response_model=StatusView, responses=problems())
    async def status(caller: Reader) -> Response:
        """The waiting and running jobs, and the workers. Without the scope `admin`: your own jobs alone."""
        operator = caller.may(Scope.ADMIN)
        found = await board.status(None if operator else caller.owner)
        view = status_view(found if operator else replace(found, workers=(), queue=None), __version__)
        return Json(view.model_dump(mode="json"))

    return router
