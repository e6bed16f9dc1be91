"""A surface: the routes of one contract, in the shapes and with the errors that its clients know."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from dictograph.api.error_responses import MalformedBody, error_response
from dictograph.api.server.body_rate import BodyRatePolicy
from dictograph.contract import Contract
from dictograph.errors import DictographError
from dictograph.service.services import Services
from dictograph.settings.model import Settings

log = logging.getLogger(__name__)

#: Web pages of any origin.
ANY_ORIGIN = "*"

#: Makes the answer for an error: a DictographError, a request that is not of the documented form, or (None) our fault.
Render = Callable[[Request, DictographError | RequestValidationError | None], Response]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a surface is made of. `pace` is the least rate at which clients must send bodies."""

    services: Services
    settings: Settings
    pace: BodyRatePolicy


@dataclass(frozen=True, slots=True)
class Surface:
    """A contract's routes.

    `origins` are the web pages that may call the routes, beside those of the settings; ANY_ORIGIN means all pages.
    `methods` are the methods that these pages may use. `changing` are paths where a GET changes something: other pages
    may not call them at all. `refusal` makes the answer for other pages and for unknown hosts.
    """

    contract: Contract
    routers: Sequence[APIRouter]
    origins: frozenset[str] = frozenset()
    methods: Sequence[str] = ("GET", "HEAD", "POST", "DELETE")
    refusal: Callable[[DictographError], Response] = error_response
    changing: frozenset[str] = frozenset()
    routes: Sequence[BaseRoute] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "routes", [route for router in self.routers for route in router.routes])

    def owns(self, scope: Scope) -> bool:
        """Tell whether one of its routes has this path, with any method."""
        return any(route.matches(scope)[0] is not Match.NONE for route in self.routes)


def route_class(render: Render) -> type[APIRoute]:
    """Return a class of routes whose errors `render` answers. It gets None for a fault of ours, which is logged."""

    class Translated(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def translated(request: Request) -> Response:
                return await _answer(handle, request, render)

            return translated

    return Translated


async def _answer(handle: Callable[[Request], Awaitable[Response]], request: Request, render: Render) -> Response:
    try:
        return await handle(request)
    except (DictographError, RequestValidationError) as error:
        if getattr(error, "status", 422) >= 500:
            log.warning("%s %s: %s", request.method, request.url.path, error)
        return render(request, error)
    except HTTPException as error:  # of the framework: a body that is not what its content type says
        if error.status_code >= 500:
            raise
        return render(request, MalformedBody(str(error.detail)))
    except Exception:
        log.exception("%s %s failed", request.method, request.url.path)
        return render(request, None)
