"""One client on the WebSocket: its messages, and the requests that it has joined."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from dictograph.api.gateway import messages
from dictograph.api.gateway.errors import Refused
from dictograph.api.gateway.final import encoded, final
from dictograph.api.gateway.requests import MOST_AWAITED, Requests
from dictograph.api.gateway.subscription import Subscription
from dictograph.contract import Contract
from dictograph.errors import DictographError, NotFound
from dictograph.job import Job
from dictograph.service.auth.access import Caller
from dictograph.service.jobs import check_id
from dictograph.service.services import Services

log = logging.getLogger(__name__)

#: The most requests that have not ended and are joined on one connection.
MOST_JOINED = 64

#: If a client sends more messages a second than this, for some seconds, they are read no faster than this.
_PER_SECOND = 50.0
_AT_ONCE_S = 4.0


class WebSocketSession:
    """Answers messages one after the other. Updates about joined requests are sent meanwhile."""

    def __init__(self, websocket: WebSocket, services: Services, requests: Requests, caller: Caller) -> None:
        self.services = services
        self.find = requests.find
        self._requests = requests
        self._websocket = websocket
        self._caller = caller
        self._joined: dict[str, asyncio.Task[None]] = {}
        # One at a time: for a slow reader only one message is prepared, however many requests it has joined.
        self._speaking = asyncio.Lock()
        self._paid_until = 0.0

    async def run(self) -> None:
        """Answer messages until the client has gone."""
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._listen(tasks)
                for task in self._joined.values():
                    task.cancel()
        except* WebSocketDisconnect:
            pass

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message. Wait until the client has read the earlier ones."""
        async with self._speaking:
            await self._websocket.send_text(encoded(message))

    async def say_end(self, job: Job) -> None:
        """Send the last message of a request that has ended."""
        async with self._speaking:
            await self._websocket.send_text(await final(self.services.transcript_reports, job))

    async def status(self, job: Job | None = None, *, starting: bool = False) -> dict[str, Any]:
        """Return the service's status. It is no older than the state of `job`. `starting`: as of the job's start."""
        board = self.services.contract_stats
        changed_at = None if job is None else job.finished_at or job.started_at
        traffic = await board.of(Contract.GATEWAY, newer_than=changed_at)
        known = messages.running(job, ended_too=starting)
        return messages.status(board, traffic, known or messages.current_of(traffic, self._caller.owner, self._joined))

    async def _listen(self, tasks: asyncio.TaskGroup) -> None:
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            await self._pace()
            try:
                await self._hear(_parsed(message.get("text")), tasks)
            except Refused as error:
                await self.say(messages.refused(error.message))
            except DictographError as error:
                log.warning("a message on the gateway's WebSocket has no answer: %s", error)
                await self.say(messages.refused("Service temporarily unavailable. Please try again later."))

    async def _hear(self, message: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        match message.get("type"):
            case "get_status":
                await self.say(messages.status_update(await self.status()))
            case "join":
                await self._join(_request_id(message), tasks)
            case kind:
                raise Refused(f"Unknown message type: {kind!a:.60}")

    async def _join(self, request_id: str, tasks: asyncio.TaskGroup) -> None:
        if request_id not in self._joined and len(self._joined) >= MOST_JOINED:
            raise Refused(f"No more than {MOST_JOINED} requests can be joined at once")
        job = await self.find(request_id)
        if job is None and request_id not in self._joined and self._requests.awaited >= MOST_AWAITED:
            raise Refused("Too many requests are waited for that nobody has uploaded")
        await self.say(messages.joined(request_id, await self.status(job)))
        if job is not None and job.status.ended:
            await self.say_end(job)
        elif request_id not in self._joined:
            self._joined[request_id] = self._awaited(tasks.create_task(self._follow(request_id, job)), job)

    def _awaited(self, task: asyncio.Task[None], job: Job | None) -> asyncio.Task[None]:
        """Count the task while it runs, if the request did not exist when the task began."""
        if job is None:
            self._requests.awaited += 1
            task.add_done_callback(self._has_ended)
        return task

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        del task
        self._requests.awaited -= 1

    async def _follow(self, request_id: str, job: Job | None) -> None:
        try:
            await Subscription(self, request_id, job).run()
        finally:
            self._joined.pop(request_id, None)

    async def _pace(self) -> None:
        """Charge some time for each message. A client that is more than a few seconds ahead waits."""
        now = time.monotonic()
        self._paid_until = max(self._paid_until, now) + 1 / _PER_SECOND
        if (ahead := self._paid_until - now - _AT_ONCE_S) > 0:
            await asyncio.sleep(ahead)


def _parsed(text: str | None) -> dict[str, Any]:
    """Return the parsed message. Raises Refused when the text is none."""
    if text is None:
        raise Refused("Messages must be text frames with JSON")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("Invalid JSON") from error
    if not isinstance(message, dict):
        raise Refused("A message must be a JSON object")
    return message


def _request_id(message: dict[str, Any]) -> str:
    given = message.get("request_id")
    if not given:
        raise Refused("Missing request_id")
    try:
        return check_id(given if isinstance(given, str) else "")
    except NotFound as error:
        raise Refused("Invalid request_id") from error
