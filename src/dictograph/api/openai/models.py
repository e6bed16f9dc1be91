"""The models, in one shape for native clients and for OpenAI's."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.access import Reader
from dictograph.api.error_responses import Json
from dictograph.api.openai.errors import not_allowed, render, render_natively
from dictograph.api.openai.fields import is_openai_model
from dictograph.api.openapi_schemas import problems
from dictograph.api.surface import route_class
from dictograph.api.views import ModelListView, ModelView, models_view
from dictograph.errors import NotFound
from dictograph.service.services import Services

_PATH = "/v1/models"


class ModelNotFound(NotFound):
    """No model of this name can be asked for."""

    code = "model_not_found"


def list_routes(services: Services) -> APIRouter:
    """Return GET /v1/models. It was native before: its errors keep the native codes."""
    router = APIRouter(tags=["service"], route_class=route_class(render_natively))

    @router.get(_PATH, response_model=ModelListView, responses=problems())
    async def models(caller: Reader) -> Response:
        """The models that can be asked for, and the state they are in."""
        del caller
        return Json(ModelListView(data=models_view(await services.status.readiness())).model_dump(mode="json"))

    return router


def model_routes(services: Services) -> APIRouter:
    """Return GET /v1/models/{id}."""
    router = APIRouter(tags=["service"], route_class=route_class(render))

    @router.get(f"{_PATH}/{{model_id:path}}", response_model=ModelView, responses=problems(404))
    async def model(caller: Reader, model_id: str) -> Response:
        """One model. By the names of OpenAI's own models it is the configured one."""
        del caller
        return Json(_find(models_view(await services.status.readiness()), model_id).model_dump(mode="json"))

    @router.api_route(
        f"{_PATH}/{{rest:path}}", methods=["POST", "PUT", "PATCH", "DELETE", "OPTIONS"], include_in_schema=False
    )
    async def nothing_else(request: Request, rest: str) -> Response:
        del rest
        return not_allowed(request, "GET")

    return router


def _find(models: list[ModelView], name: str) -> ModelView:
    for model in models:
        if model.id == name:
            return model
        if model.default and is_openai_model(name):
            return model.model_copy(update={"id": name})
    raise ModelNotFound(f"The model {name[:200]!r} does not exist.", param="model")
