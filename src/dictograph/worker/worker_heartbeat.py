"""Write into the database that this worker is there, and its state."""

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

#: How often the worker's row is written, in seconds: several times within `store.workers.GONE_AFTER_S`.
ANNOUNCE_S = 5.0

#: How soon the row is written when the state has changed (s).
_CHANGE_S = 1.0


class WorkerHeartbeat:
    """Writes the worker's row every few seconds, and sooner when its `state` has changed."""

    name = "heartbeat"

    def __init__(self, database: Database, worker_id: str, state: Callable[[], dict[str, Any]]) -> None:
        self._database = database
        self._id = worker_id
        self._state = state
        self._started = datetime.now(UTC)
        self._written: dict[str, Any] = {}
        self._written_at = -ANNOUNCE_S

    async def run(self) -> None:
        await every(_CHANGE_S, self._turn, self.name)

    async def leave(self) -> None:
        """Remove the worker's row."""
        try:
            await self._database.write(lambda c: forget(c, [self._id]))
        except TRANSIENT_ERRORS as error:
            log.warning("heartbeat: the row of this worker could not be removed: %s", error)

    async def _turn(self) -> None:
        now, state = time.monotonic(), self._state()
        if state == self._written and now - self._written_at < ANNOUNCE_S:
            return
        row = WorkerState(self._id, socket.gethostname(), os.getpid(), self._started, state)
        await self._database.write(lambda c: announce(c, row))
        self._written, self._written_at = state, now
