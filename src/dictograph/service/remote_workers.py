"""The readiness of a process without a worker: that of the workers in other processes, from their last heartbeat."""

from __future__ import annotations

import asyncio
import logging

from dictograph.errors import DatabaseUnavailable, StorageFull
from dictograph.service.status import PATIENCE_S, SILENT, Readiness
from dictograph.store.database import Database
from dictograph.store.workers import GONE_AFTER_S, WorkerState, list_alive

log = logging.getLogger(__name__)

_INTERVAL_S = 1.0


class RemoteWorkers:
    """Reads the live workers once a second, so that a call costs nothing."""

    name = "workers elsewhere"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known = Readiness(ready=False, reason="starting")

    def ask(self) -> Readiness:
        """Return ready when one worker is ready; else the reason that a worker gives."""
        return self._known

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    workers = await self._database.read(lambda conn: list_alive(conn, GONE_AFTER_S))
                self._known = _of(workers)
            except TimeoutError:
                self._known = Readiness(ready=False, reason=SILENT)
            except (DatabaseUnavailable, StorageFull) as error:
                self._known = Readiness(ready=False, reason=error.message)
            await asyncio.sleep(_INTERVAL_S)


def _of(workers: list[WorkerState]) -> Readiness:
    if not workers:
        return Readiness(ready=False, reason="no worker is running: start one with `dictograph worker`")
    best = max(workers, key=lambda worker: bool(worker.state.get("ready")))
    state = best.state
    models, warnings = tuple(state.get("models", ())), tuple(state.get("warnings", ()))
    return Readiness(bool(state.get("ready")), str(state.get("reason", "")), models, warnings)
