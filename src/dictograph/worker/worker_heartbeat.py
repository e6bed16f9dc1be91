"""The announcer tells the database, and so everybody, that this worker is there and how it does."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from dictograph.store.database import Database
from dictograph.store.workers import WorkerState, announce, forget
from dictograph.worker.agent import TRANSIENT_ERRORS, every, log

#: How often a worker is announced, in seconds: some times within `store.workers.GONE_AFTER_S`.
ANNOUNCE_S = 5.0

#: How soon it is when something about it has changed (s).
_CHANGE_S = 1.0


class WorkerHeartbeat:
    """Writes the worker's row every few seconds, and soon when it has changed; `state` gives what stands in it."""

    name = "announcer"

    def __init__(self, database: Database, worker_id: str, state: Callable[[], dict[str, Any]]) -> None:
        self._database = database
        self._id = worker_id
        self._state = state
        self._started = datetime.now(UTC)
        self._told: dict[str, Any] = {}
        self._told_at = -ANNOUNCE_S

    async def run(self) -> None:
        await every(_CHANGE_S, self._turn, self.name)

    async def leave(self) -> None:
        try:
            await self._database.write(lambda c: forget(c, [self._id]))
        except TRANSIENT_ERRORS as error:
            log.warning("announcer: the worker cannot say that it is gone: %s", error)

    async def _turn(self) -> None:
        now, told = time.monotonic(), self._state()
        if told == self._told and now - self._told_at < ANNOUNCE_S:
            return
        state = WorkerState(self._id, socket.gethostname(), os.getpid(), self._started, told)
        await self._database.write(lambda c: announce(c, state))
        self._told, self._told_at = told, now
