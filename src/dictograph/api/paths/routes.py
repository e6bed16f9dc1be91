"""The routes of the path contract."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dictograph.api.access import guest_of
from dictograph.api.body import parse_json, read_body
from dictograph.api.paths.responses import MISSING_PATH, answer, refusal, render, status_of
from dictograph.api.paths.upload import take_file
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.surface import Parts, route_class
from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.service.auth.access import Scope
from dictograph.service.compat.contracts import limits_of, options_of
from dictograph.service.compat.path_uploads import PathUploads
from dictograph.service.request import JobRequest
from dictograph.service.services import Services
from dictograph.settings.model import Settings


def path_routes(parts: Parts) -> APIRouter:
    """Return the routes transcribe, status, upload and health."""
    router = APIRouter(route_class=route_class(render), include_in_schema=False)
    services, settings, pace = parts.services, parts.settings, parts.pace
    uploads = PathUploads.of(settings)

    @router.post("/transcribe")
    async def transcribe(request: Request) -> Response:
        return await _transcribe(request, services, settings, pace)

    @router.get("/status")
    async def status(request: Request) -> Response:
        return await _status(request, services)

    @router.post("/upload")
    async def upload(request: Request) -> Response:
        await guest_of(request, Contract.PATH, Scope.TRANSCRIBE, makes_job=False)
        return answer({"path": await take_file(request, pace, uploads)})

    @router.get("/health")
    async def health() -> Response:
        return PlainTextResponse("OK")

    return router


def nothing_else() -> APIRouter:
    """Return the routes that answer for every unknown path."""
    router = APIRouter(route_class=route_class(render), include_in_schema=False)

    @router.api_route("/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def unknown() -> Response:
        return refusal("Not found", 404)

    @router.options("/{rest:path}")
    async def options() -> Response:
        allowed = {
            "access-control-allow-methods": "GET, HEAD, POST, OPTIONS",
            "access-control-allow-headers": "content-type, authorization, x-api-key",
        }
        return Response(status_code=204, headers=allowed)

    return router


async def _transcribe(request: Request, services: Services, settings: Settings, pace: BodyRatePolicy) -> Response:
    caller = await guest_of(request, Contract.PATH, Scope.TRANSCRIBE)
    path = _path_of(await read_body(request, pace))
    if path is None:
        return refusal(MISSING_PATH)
    order = JobRequest(
        options_of(settings, Contract.PATH),
        owner=caller.owner,
        contract=Contract.PATH,
        limits=limits_of(settings, Contract.PATH),
        key_id=caller.key_id,
    )
    job = await services.paths.transcribe(order, path)
    location = f"/status?path={quote(path, safe='/')}"
    return answer({"status": "processing", "id": job.id}, 202, {"location": location})


async def _status(request: Request, services: Services) -> Response:
    caller = await guest_of(request, Contract.PATH, Scope.READ)
    path = request.query_params.get("path")
    if not path:
        return refusal(MISSING_PATH)
    try:
        job, text = await services.paths.newest(caller.owner, path)
    except NotFound as error:
        return answer({"status": "error", "error": error.message}, 404)
    return answer(status_of(job, text))


def _path_of(body: bytes) -> str | None:
    """Return the path that a body names, or None. Raises MalformedBody."""
    given: Any = parse_json(body) if body.strip() else None
    path = given.get("path") if isinstance(given, dict) else None
    return path if path and isinstance(path, str) else None
