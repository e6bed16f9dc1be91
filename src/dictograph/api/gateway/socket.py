"""The WebSocket at `/` and `/ws`."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.websockets import WebSocket

from dictograph.api.access import guest_of
from dictograph.api.gateway.requests import Requests
from dictograph.api.gateway.websocket_session import WebSocketSession
from dictograph.contract import Contract
from dictograph.service.auth.access import Scope
from dictograph.service.services import Services


def socket_routes(services: Services) -> APIRouter:
    """Return the WebSocket's routes: the same session at both paths."""
    router = APIRouter()
    requests = Requests(services.jobs)

    @router.websocket("/")
    @router.websocket("/ws")
    async def talk(websocket: WebSocket) -> None:
        caller = await guest_of(websocket, Contract.GATEWAY, Scope.READ)
        await websocket.accept()
        await WebSocketSession(websocket, services, requests, caller).run()

    return router
