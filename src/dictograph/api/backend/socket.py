"""A job's updates by WebSocket, as the older system's pages follow them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from dictograph.api.backend.auth import PREFIX, BackendAuth
from dictograph.api.backend.jobs import find
from dictograph.api.backend.responses import refused
from dictograph.api.native.sockets import DONE, RESTARTING, TRY_AGAIN
from dictograph.api.surface import Parts
from dictograph.errors import DictographError, NotFound, RequestError
from dictograph.job import Job
from dictograph.service.auth.access import Caller
from dictograph.service.compat.backend_updates import as_text, failed_frame, update_frame
from dictograph.service.jobs import Jobs

#: Time without a frame after which a ping is sent (s).
PING_S = 10.0


def socket_routes(parts: Parts, entrance: BackendAuth) -> APIRouter:
    """Return WS /api/v1/job/ws/{job_id}."""
    router = APIRouter()

    @router.websocket(f"{PREFIX}/job/ws/{{job_id}}")
    async def updates(websocket: WebSocket, job_id: str) -> None:
        try:
            caller = await entrance.reader(websocket)
        except RequestError as error:
            await websocket.send_denial_response(refused(error))
            return
        await websocket.accept()
        await _Session(websocket, parts.services.jobs, caller, job_id).run()

    return router


class _Session:
    """One client that follows one job."""

    def __init__(self, websocket: WebSocket, jobs: Jobs, caller: Caller, job_id: str) -> None:
        self._websocket = websocket
        self._jobs = jobs
        self._caller = caller
        self._job_id = job_id
        self._id = str(uuid4())
        self._turn = asyncio.Lock()
        self._last_sent = _now()
        self._closing = False

    async def run(self) -> None:
        """Run until the job has ended, or the client has gone."""
        tasks = [asyncio.ensure_future(work) for work in (self._tell(), self._listen(), self._ping())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                raise outcome

    async def _tell(self) -> None:
        """Send the job's state, at first and at each change. At its end, close the connection."""
        await self._say("connected", message=f"Connected to job {self._job_id}")
        code = DONE
        try:
            code = await self._follow()
        except NotFound as error:
            await self._send(failed_frame(self._job_id, error.message))
        except DictographError:
            code = TRY_AGAIN
        async with self._turn:
            self._closing = True
            with suppress(WebSocketDisconnect, RuntimeError):  # the client has gone just now
                await self._websocket.close(code)

    async def _follow(self) -> int:
        """Send updates, and return the code to close with. Raises NotFound."""
        last_frame: dict[str, Any] = {}
        await find(self._jobs, self._caller, self._job_id)
        async with aclosing(self._jobs.changes(None, self._job_id)) as changes:
            async for job in changes:
                frame = update_frame(job, await self._text(job))
                if frame != last_frame:
                    await self._send(frame)
                last_frame = frame
                if job.status.ended:
                    return DONE
        return RESTARTING

    async def _text(self, job: Job) -> str | None:
        return (await self._jobs.texts([job])).get(job.id) if job.status.ended else None

    async def _listen(self) -> None:
        """Send every text back, except the answer to a ping. Return when the client has gone."""
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if text is not None and not _is_pong(text):
                await self._say("echo", data=text, job_id=self._job_id)

    async def _ping(self) -> None:
        while True:
            quiet = _now() - self._last_sent
            if quiet < PING_S:
                await asyncio.sleep(PING_S - quiet)
            else:
                await self._say("ping", message="Still here")

    async def _say(self, type: str, **more: Any) -> None:
        """Send a frame about the connection itself."""
        now = datetime.now(UTC).isoformat()
        given = {"type": type, "job_id": self._job_id, "connection_id": self._id, "timestamp": now}
        await self._send(given | more)

    async def _send(self, frame: Mapping[str, Any]) -> None:
        text = as_text(frame)
        async with self._turn:
            if not self._closing:
                await self._websocket.send_text(text)
                self._last_sent = _now()


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_pong(text: str) -> bool:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("type") == "pong"
