"""Contract G: uploads, their state, and a WebSocket that reports their end."""

from __future__ import annotations

from dictograph.api.gateway.errors import refusal
from dictograph.api.gateway.http import health_routes, http_routes
from dictograph.api.gateway.socket import socket_routes
from dictograph.api.surface import ANY_ORIGIN, Parts, Surface
from dictograph.contract import Address, Contract
from dictograph.settings.model import Settings


def surface(parts: Parts) -> Surface:
    """Return the routes over HTTP."""
    return Surface(Contract.GATEWAY, [http_routes(parts), health_routes(parts.services)], refusal=refusal)


def health(parts: Parts) -> Surface:
    """Return the health check alone. Where the gateway's profile is selected, it comes before the native one."""
    return Surface(Contract.GATEWAY, [health_routes(parts.services)], refusal=refusal)


def sockets(parts: Parts) -> Surface:
    """Return the WebSocket. Web pages of any origin may open it where the settings select this contract and do not
    close it. Elsewhere any page that a person happens to visit could then read from it."""
    origins = frozenset({ANY_ORIGIN}) if is_for_pages(parts.settings) else frozenset[str]()
    return Surface(Contract.GATEWAY, [socket_routes(parts.services)], origins)


def is_for_pages(settings: Settings) -> bool:
    """Tell whether web pages of any origin may open the WebSocket."""
    if settings.is_closed("gateway-read"):
        return False
    addresses = [Address.parse(address) for address in settings.listen]
    return "gateway-read" in settings.anonymous or any(one.first is Contract.GATEWAY for one in addresses)
