"""Host and Origin checks: a Host allow-list against DNS rebinding, an Origin check against other web pages.

A web page can make a browser send requests to a service on loopback, and by DNS rebinding even read the
answers. The Origin, which browsers add to all unsafe requests and WebSockets, stops the first. The Host stops the
second: with DNS rebinding it names the page's own domain.

No page has a key. So a caller with a valid key may call the service by any name. On an address that other machines
reach, every caller may do so, as soon as there are keys, or on routes that need none there: by a strange name a page
learns nothing that every machine in its visitor's network could not read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dictograph.api.access import credentials_of
from dictograph.api.error_responses import error_response
from dictograph.api.surface import ANY_ORIGIN, Surface
from dictograph.contract import Address, Contract
from dictograph.errors import DictographError, HostNotAllowed, OriginNotAllowed
from dictograph.service.auth.access import Scope as Right
from dictograph.service.auth.authentication import Authentication
from dictograph.settings.model import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: The path that may be called under any name.
_HEALTH = "/health"

_PORTS = {"http": 80, "https": 443}
_METHODS = "GET, HEAD, POST, DELETE"
_EXPOSED = "location, x-request-id, x-transcript-complete, idempotency-replayed, retry-after"


class HostOriginMiddleware:
    """Lets allowed requests through to the application, and refuses the others."""

    def __init__(
        self,
        app: ASGIApp,
        authentication: Authentication,
        hosts: frozenset[str],
        origins: frozenset[str],
        surfaces: Sequence[Surface] = (),
    ) -> None:
        """Keep the allow-lists. `origins` may call everything; a surface may allow more origins for its own routes."""
        self._app = app
        self._authentication = authentication
        self._hosts = hosts
        self._origins = origins
        self._surfaces = surfaces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = _origin(headers.get("origin"))
        surface = next((one for one in self._surfaces if one.owns(scope)), None)
        shared = origin is not None and (origin in self._origins or _shares(surface, origin))
        try:
            await self._check_host(headers.get("host", ""), scope, surface)
            if not shared and _changes(scope, surface):
                _check_origin(origin, headers)
        except DictographError as error:
            refusal = surface.refusal if surface else error_response
            await refusal(error)(scope, receive, send)
            return
        if shared and _is_preflight(scope, headers):
            await _preflight(headers, surface)(scope, receive, send)
            return
        if shared:
            send = _sharing(send, headers["origin"])
        elif origin is None and surface is not None and ANY_ORIGIN in surface.origins:
            send = _sharing(send, ANY_ORIGIN)  # so that a cache may give the answer to any page
        await self._app(scope, receive, send)

    async def _check_host(self, given: str, scope: Scope, surface: Surface | None) -> None:
        if scope["path"] == _HEALTH and scope["type"] == "http":
            return  # it reveals nothing, and monitoring calls a service by any name
        host = host_of(given)
        # The address of this end of the connection is a number. A page can have this number as its name only if it
        # came from there.
        here = (scope.get("server") or ("",))[0]
        if host and (host in self._hosts or host == here or await self._may_call_by_any_name(scope, surface)):
            return
        raise HostNotAllowed(
            f"This service does not go by the name {given[:200]!r}. The operator can add it with "
            "DICTOGRAPH_ALLOWED_HOSTS.",
            param="Host",
        )

    async def _may_call_by_any_name(self, scope: Scope, surface: Surface | None) -> bool:
        credentials = credentials_of(HTTPConnection(scope))
        contract = surface.contract if surface else Contract.NATIVE
        asked = self._authentication
        if not credentials.loopback and (asked.is_open(contract, Right.READ) or await asked.has_keys()):
            return True
        return await asked.knows(credentials, contract)


def known_hosts(settings: Settings) -> frozenset[str]:
    """Return the names that requests may be addressed to."""
    named = [*(Address.parse(one).authority for one in settings.listen), *settings.allowed_hosts]
    return _LOOPBACK | {host for name in named if (host := host_of(name)) not in ("0.0.0.0", "::", "")}


def known_origins(origins: Iterable[str]) -> frozenset[str]:
    """Return origins in the form in which they are compared."""
    return frozenset(origin for given in origins if (origin := _origin(given)) is not None and origin != "null")


def host_of(authority: str) -> str:
    """Return the host of HOST, HOST:PORT or [ADDRESS]:PORT, in small letters; empty when there is none."""
    try:
        return (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _origin(given: str | None) -> str | None:
    """Return an Origin as scheme://host:port, always with the port; "null" for a value that is no origin."""
    if given is None:
        return None
    try:
        parts = urlsplit(given)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "null"
    if not parts.hostname or parts.path.strip("/") or parts.query:
        return "null"
    return f"{parts.scheme}://{_bracketed(parts.hostname.rstrip('.'))}:{port}"


def _changes(scope: Scope, surface: Surface | None) -> bool:
    """Tell whether the request may change something. A WebSocket counts: a page that opens it can read from it."""
    if scope["type"] != "http" or scope["method"] in _UNSAFE:
        return True
    return surface is not None and scope["path"] in surface.changing and scope["method"] != "OPTIONS"


def _check_origin(origin: str | None, headers: Headers) -> None:
    site = headers.get("sec-fetch-site", "none")
    if origin is None and site in ("none", "same-origin"):
        return  # no browser, or its own address bar
    if origin is not None and origin == _same_origin(origin, headers.get("host", "")):
        return
    raise OriginNotAllowed(
        "A web page of another origin may not do this. The operator can allow it with DICTOGRAPH_ALLOWED_ORIGINS.",
        param="Origin",
    )


def _same_origin(origin: str, host: str) -> str:
    """Return this service's origin as one of its own pages would send it. The scheme is the page's: a proxy in front
    may use TLS where we do not."""
    scheme = origin.partition(":")[0]
    return _origin(f"{scheme}://{host}") or ""


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["type"] == "http" and scope["method"] == "OPTIONS" and "access-control-request-method" in headers


def _shares(surface: Surface | None, origin: str) -> bool:
    return surface is not None and (ANY_ORIGIN in surface.origins or origin in surface.origins)


def _preflight(asked: Headers, surface: Surface | None) -> Response:
    headers = {
        "access-control-allow-origin": asked["origin"],
        "access-control-allow-methods": ", ".join(surface.methods) if surface else _METHODS,
        "access-control-allow-headers": asked.get("access-control-request-headers", "content-type"),
        "access-control-max-age": "600",
        "vary": "Origin, Access-Control-Request-Headers",
    }
    if asked.get("access-control-request-private-network") == "true":
        headers["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers=headers)


def _sharing(send: Send, origin: str) -> Send:
    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = _EXPOSED
            headers.add_vary_header("Origin")
        await send(message)

    return shared
