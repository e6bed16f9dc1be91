"""The application: the contracts' routes inside, HostOriginMiddleware around them, ResponseMiddleware around all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dictograph import __version__
from dictograph.api import access, asr, backend, gateway, openai, paths
from dictograph.api.error_responses import handle_errors
from dictograph.api.native.health import health_routes
from dictograph.api.native.results import result_routes
from dictograph.api.native.sockets import socket_routes
from dictograph.api.native.tickets import ticket_routes
from dictograph.api.native.transcriptions import transcription_routes
from dictograph.api.native.webhooks import webhook_routes
from dictograph.api.native.workers import worker_routes
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.api.server.host_origin import HostOriginMiddleware, known_hosts, known_origins
from dictograph.api.server.response_middleware import ResponseMiddleware
from dictograph.api.surface import Parts, Surface
from dictograph.contract import Contract
from dictograph.service.services import Services
from dictograph.settings.model import Settings

_ABOUT = """\
Audio in, transcript out, nothing lost.

Send a file to `POST /v1/transcriptions`; follow the job by its `events`, or hold the answer with `wait`; read its
`transcript`, which is there as far as it has come at any time. Every error is `{"error": {"code", "message"}}`,
with a `code` that stays the same. A WebSocket at `/v1/transcriptions/{job_id}/ws?after=SEQ` gives the same events
as `events`, each a frame `{"seq", "type", "data"}`, and closes with 1000 after the last.
"""


#: The contracts beside the native one, in the order in which they are checked for a path.
_OTHERS: Sequence[Callable[[Parts], Surface]] = (
    gateway.surface,
    gateway.sockets,
    backend.surface,
    paths.surface,
    openai.surface,
    asr.surface,
)


def create_app(services: Services, settings: Settings, first: Contract = Contract.NATIVE) -> FastAPI:
    """Return the application with all contracts. If several contracts have a path, `first` gets it, else the native."""
    return _app(services, settings, surfaces_of(services, settings, first))


def create_socket_app(services: Services, settings: Settings) -> FastAPI:
    """Return the application of the gateway's WebSocket alone, for a process that runs jobs and has no API."""
    parts = _parts(services, settings)
    return _app(services, settings, [gateway.health(parts), gateway.sockets(parts)])


def _app(services: Services, settings: Settings, surfaces: Sequence[Surface]) -> FastAPI:
    app = FastAPI(
        title="Dictograph",
        version=__version__,
        description=_ABOUT,
        openapi_url=None,  # the backend's contract decides who may see it
        docs_url=None,  # FastAPI's pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    access.remember(app.state, services.authentication)
    for surface in surfaces:
        for router in surface.routers:
            app.include_router(router)
    handle_errors(app, [route for surface in surfaces for route in surface.routes])
    # The last one added is the outermost.
    app.add_middleware(_HeadAsGet)
    app.add_middleware(
        HostOriginMiddleware,
        authentication=services.authentication,
        hosts=known_hosts(settings),
        origins=known_origins(settings.allowed_origins),
        surfaces=surfaces,
    )
    app.add_middleware(ResponseMiddleware)
    return app


def surfaces_of(services: Services, settings: Settings, first: Contract = Contract.NATIVE) -> list[Surface]:
    """Return all surfaces, in the order in which they are checked for a path."""
    parts = _parts(services, settings)
    if first is Contract.PATH:  # it answers every unknown path itself, so only the native contract is served beside it
        return [paths.standalone_surface(parts), _native(parts), paths.fallback_surface()]
    surfaces = [_native(parts), *(make(parts) for make in _OTHERS)]
    ordered = sorted(surfaces, key=lambda surface: surface.contract is not first)
    is_gateway = first is Contract.NATIVE and Contract.GATEWAY.value in settings.profile
    return [gateway.health(parts), *ordered] if is_gateway else ordered


def _parts(services: Services, settings: Settings) -> Parts:
    return Parts(services, settings, BodyRatePolicy(settings.upload_idle_timeout, settings.upload_min_rate))


def _native(parts: Parts) -> Surface:
    services, pace = parts.services, parts.pace
    routers = [
        transcription_routes(services, pace),
        result_routes(services),
        socket_routes(services),
        ticket_routes(services, pace),
        health_routes(services),
        worker_routes(services),
        webhook_routes(services),
    ]
    return Surface(Contract.NATIVE, routers)


class _HeadAsGet:
    """Answers HEAD as GET, without the body. Event streams are left out: they have no end to wait for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or scope["path"].endswith("/events"):
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, without_body)
