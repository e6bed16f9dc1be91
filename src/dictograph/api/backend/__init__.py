"""Contract B: a backend with presigned uploads, jobs, updates by WebSocket, and pages of its API."""

from __future__ import annotations

from dictograph.api.backend.auth import BackendAuth
from dictograph.api.backend.docs_pages import document_routes
from dictograph.api.backend.health import health_routes, other_routes
from dictograph.api.backend.jobs import job_routes
from dictograph.api.backend.responses import refused
from dictograph.api.backend.socket import socket_routes
from dictograph.api.backend.uploads import PRESIGN, upload_routes
from dictograph.api.server.host_origin import known_origins
from dictograph.api.surface import ANY_ORIGIN, Parts, Surface
from dictograph.contract import Contract

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


def surface(parts: Parts) -> Surface:
    """Return the routes of this contract. Pages of its own origins may `PUT` as well."""
    given = parts.settings.backend_origins
    origins = frozenset({ANY_ORIGIN}) if ANY_ORIGIN in given else known_origins(given)
    entrance = BackendAuth(parts.settings)
    routers = [
        health_routes(),
        upload_routes(parts, entrance),
        job_routes(parts, entrance),
        socket_routes(parts, entrance),
        document_routes(parts.settings),
    ]
    routers.append(other_routes([route for router in routers for route in router.routes]))
    return Surface(Contract.BACKEND, routers, origins, _METHODS, refused, frozenset({PRESIGN}))
