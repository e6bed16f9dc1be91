"""The routes about the service itself."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from dictograph import __version__
from dictograph.api.access import Reader
from dictograph.api.document import problems
from dictograph.api.problems import Json
from dictograph.api.views import (
    HealthView,
    ModelListView,
    ReadyView,
    StatusView,
    models_view,
    ready_view,
    status_view,
)
from dictograph.service.services import Services


def house_routes(services: Services) -> APIRouter:
    """Health, readiness, status, models."""
    router = APIRouter(tags=["service"])
    board = services.board

    @router.get("/health", response_model=HealthView, responses=problems())
    async def health() -> Response:
        """The process lives and answers. Says nothing of whether it can transcribe; `/ready` does."""
        return Json(HealthView().model_dump())

    @router.get(
        "/ready",
        response_model=ReadyView,
        responses={**problems(), 503: {"model": ReadyView, "description": "Not ready; `reason` says why."}},
    )
    async def ready() -> Response:
        """Whether a real inference has been proved to work, and there is room for uploads; else the reason."""
        view = ready_view(await board.readiness())
        return Json(view.model_dump(mode="json"), 200 if view.ready else 503)

    @router.get("/v1/status", response_model=StatusView, responses=problems())
    async def status(caller: Reader) -> Response:
        """What waits, what runs, who works."""
        return Json(status_view(await board.status(caller.owner), __version__).model_dump(mode="json"))

    @router.get("/v1/models", response_model=ModelListView, responses=problems())
    async def models() -> Response:
        """The models that can be asked for, and the state they are in."""
        return Json(ModelListView(data=models_view(await board.readiness())).model_dump(mode="json"))

    return router
