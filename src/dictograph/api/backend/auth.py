"""Access to this contract's routes, and the address under which clients reach the service."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from dictograph.api.access import guest_of
from dictograph.api.server.host_origin import known_origins
from dictograph.api.surface import ANY_ORIGIN
from dictograph.contract import Contract
from dictograph.errors import OriginNotAllowed
from dictograph.service.auth.access import Caller, Scope
from dictograph.settings.model import Settings

log = logging.getLogger(__name__)

PREFIX = "/api/v1"


class BackendAuth:
    """Checks the callers of every route under `/api/v1`, except the health check and the signed upload."""

    def __init__(self, settings: Settings) -> None:
        given = [*settings.backend_origins, *settings.allowed_origins]
        self._any = ANY_ORIGIN in given
        self._origins = known_origins(given)
        self._required = settings.backend_require_origin
        self._public_url = settings.public_url.rstrip("/")

    async def reader(self, connection: HTTPConnection) -> Caller:
        """Return a caller that may read. For all three methods see `_caller`."""
        return await self._caller(connection, Scope.READ)

    async def uploader(self, connection: HTTPConnection) -> Caller:
        """Return a caller that may upload, which makes no job yet."""
        return await self._caller(connection, Scope.TRANSCRIBE, makes_job=False)

    async def creator(self, connection: HTTPConnection) -> Caller:
        """Return a caller that may make a job."""
        return await self._caller(connection, Scope.TRANSCRIBE)

    async def _caller(self, connection: HTTPConnection, scope: Scope, *, makes_job: bool | None = None) -> Caller:
        """Return the caller. Raises OriginNotAllowed if only pages of allowed origins may call; and as `guest_of`."""
        if self._required:
            self._check_page(connection)
        return await guest_of(connection, Contract.BACKEND, scope, makes_job=makes_job)

    def base(self, connection: HTTPConnection) -> str:
        """Return the address under which clients reach this service. Headers of proxies are not trusted: any client can
        send them. An operator with a proxy that uses TLS sets the address in the settings."""
        if self._public_url:
            return self._public_url
        secure = connection.url.scheme in ("https", "wss")
        return f"{'https' if secure else 'http'}://{connection.headers['host']}"

    def _check_page(self, connection: HTTPConnection) -> None:
        page = connection.headers.get("origin") or _origin_of(connection.headers.get("referer", ""))
        if page and (self._any or known_origins([page]) & self._origins):
            return
        log.warning("refused a call of %s from %.200r, which is no allowed origin", connection.url.path, page)
        raise OriginNotAllowed("This address is for web pages of allowed origins only.", param="Origin")


def _origin_of(referer: str) -> str:
    try:
        parts = urlsplit(referer)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
