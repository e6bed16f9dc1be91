"""A job's events over a WebSocket."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from dictograph.api.access import Reader
from dictograph.api.event_encoding import frame
from dictograph.errors import DictographError, NotFound
from dictograph.service.services import Services

# The first two codes are our own (RFC 6455, section 7.4.2): 4000 and the HTTP status that would have been sent.
UNKNOWN_JOB = 4404
BAD_REQUEST = 4422
TRY_AGAIN = 1013
RESTARTING = 1012
DONE = 1000

_NUMBER = re.compile(r"[0-9]{1,15}")


def socket_routes(services: Services) -> APIRouter:
    """Return WS /v1/transcriptions/{id}/ws?after=SEQ."""
    router = APIRouter()

    @router.websocket("/v1/transcriptions/{job_id}/ws")
    async def events(websocket: WebSocket, caller: Reader, job_id: str) -> None:
        await websocket.accept()
        after = websocket.query_params.get("after", "0")
        if not _NUMBER.fullmatch(after):
            await websocket.close(BAD_REQUEST, "`after` must be the number of an event.")
            return
        telling = asyncio.ensure_future(_tell(websocket, services, caller.owner, job_id, int(after)))
        listening = asyncio.ensure_future(_until_gone(websocket))
        try:
            await asyncio.wait({telling, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (telling, listening):
                task.cancel()
            await asyncio.gather(telling, listening, return_exceptions=True)
        if not telling.cancelled() and (error := telling.exception()) is not None:
            raise error

    return router


async def _tell(websocket: WebSocket, services: Services, owner: str, job_id: str, after: int) -> None:
    """Send all events, and close. Sending waits for the client to read."""
    code, reason = DONE, ""
    try:
        start = await services.event_streams.start_of(owner, job_id, after)
        async with aclosing(services.event_streams.follow(owner, job_id, after if start is None else start)) as stream:
            async for item in stream:
                if (text := frame(item)) is not None:
                    await websocket.send_text(text)
        if services.event_streams.stopping:
            code, reason = RESTARTING, "The service is stopping; come back after the last event."
    except NotFound as error:
        code, reason = UNKNOWN_JOB, error.message
    except DictographError as error:
        code, reason = TRY_AGAIN, error.message
    except WebSocketDisconnect:
        return
    with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone just now
        await websocket.close(code, _short(reason))


async def _until_gone(websocket: WebSocket) -> None:
    """Return when the client has gone. Its messages are dropped: clients have nothing to send."""
    while (await websocket.receive())["type"] != "websocket.disconnect":
        pass


def _short(reason: str) -> str:
    """Shorten a close reason, which has at most 123 bytes (RFC 6455, section 5.5)."""
    return reason.encode()[:120].decode(errors="ignore")
