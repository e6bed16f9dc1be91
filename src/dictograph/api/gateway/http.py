"""POST /upload and GET /status/{request_id}."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from dictograph.api.access import guest_of
from dictograph.api.error_responses import Json
from dictograph.api.gateway import messages
from dictograph.api.gateway.address import websocket_url
from dictograph.api.gateway.errors import render
from dictograph.api.gateway.requests import Requests
from dictograph.api.gateway.upload import take
from dictograph.api.surface import Parts, route_class
from dictograph.contract import Contract
from dictograph.errors import NotFound
from dictograph.job import JobStatus
from dictograph.service.auth.access import Scope
from dictograph.service.services import Services


def health_routes(services: Services) -> APIRouter:
    """Return `/health` as this contract's clients know it."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    async def health() -> Response:
        return Json(messages.healthy(services.broker_word()))

    return router


def http_routes(parts: Parts) -> APIRouter:
    """Return the routes except `/health`."""
    router = APIRouter(route_class=route_class(render), include_in_schema=False)
    services, requests = parts.services, Requests(parts.services.jobs)

    @router.post("/upload")
    async def upload(request: Request) -> Response:
        caller = await guest_of(request, Contract.GATEWAY, Scope.TRANSCRIBE)
        return Json(messages.queued(await take(request, parts, caller)), 202)

    @router.get("/status/{request_id}")
    async def status(request: Request, request_id: str) -> Response:
        await guest_of(request, Contract.GATEWAY, Scope.READ)
        url = websocket_url(request, parts.settings)
        job = await requests.find(request_id)
        if job is None:
            return Json(messages.unknown(request_id, url))
        try:
            reading = await services.transcript_reports.of(job) if job.status is JobStatus.COMPLETED else None
        except NotFound:  # it was deleted just now
            return Json(messages.unknown(request_id, url))
        # The answer has the text, and again in every prompt: it may be megabytes.
        return await asyncio.to_thread(Json, messages.state(job, url, reading))

    return router
