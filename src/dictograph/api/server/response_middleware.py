"""What every answer gets: an id, safe headers, no traceback, and an end that clients can detect."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from dictograph.api.error_responses import unexpected

log = logging.getLogger(__name__)

#: Seconds for which the service still reads from a client that was refused in the middle of its upload.
LINGER_S = 5.0


#: The code of a WebSocket that ended without a close frame (RFC 6455, section 7.1.5).
_ABNORMAL = 1006


class BrokenOff(Exception):
    """An answer has begun and cannot be completed. The client must not take what it has for the whole answer."""


_SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}


class ResponseMiddleware:
    """Wraps the whole application: sets the headers of every answer, and answers for faults of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BrokenOff as error:
            # An answer without its end makes the server close the connection. The client is meant to see that.
            log.warning("request %s: %s %s: %s", exchange.id, scope.get("method", "WebSocket"), scope["path"], error)
        except WebSocketDisconnect:
            log.debug("request %s: WebSocket %s: its client has gone", exchange.id, scope["path"])
        except Exception:
            log.exception("request %s: %s %s failed", exchange.id, scope.get("method", "WebSocket"), scope["path"])
            if not exchange.started:
                await unexpected()(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer.

    An answer may be given before the request's body has come in. If the connection were closed then,
    the kernel would reset it, and the client might never read the answer: so the body is thrown away
    for a while first ("lingering close").
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self.id = uuid4().hex
        self.started = False
        self._receive, self._send = receive, send
        self._body_ended = False
        self._body_begun = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._body_begun = True
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._body_ended = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start", "websocket.accept"):
            self.started = True
            self._address(message)
        elif message["type"] == "http.response.body" and not message.get("more_body", False) and self._is_early:
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b""}
        try:
            await self._send(message)
        except OSError as error:  # by the ASGI specification: the client has gone
            raise WebSocketDisconnect(_ABNORMAL) from error

    @property
    def _is_early(self) -> bool:
        return self._body_begun and not self._body_ended

    def _address(self, message: Message) -> None:
        message.setdefault("headers", [])
        headers = MutableHeaders(scope=message)
        headers["x-request-id"] = self.id
        for name, value in _SAFE.items():
            headers.setdefault(name, value)
        if message["type"] == "http.response.start" and self._is_early:
            headers["connection"] = "close"

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while not self._body_ended:
                    await self.receive()
