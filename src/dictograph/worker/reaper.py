"""The reaper returns the jobs of workers that are gone: at once on this host, else when the lease ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from pathlib import Path

from dictograph.presence import Presence
from dictograph.store import idempotency, lease, workers
from dictograph.store.database import Database
from dictograph.store.lease import RetryPolicy
from dictograph.worker.agent import every

log = logging.getLogger(__name__)

_TURN_S = 0.5


class Reaper:
    """Looks for dead processes of this host twice a second, and for expired leases now and then."""

    name = "reaper"

    def __init__(
        self, database: Database, presence: Presence, scratch: Path, policy: RetryPolicy, lease_seconds: float
    ) -> None:
        self._database = database
        self._presence = presence
        self._scratch = scratch
        self._policy = policy
        self._expiry_every = max(_TURN_S, lease_seconds / 6)
        self._looked = 0.0

    async def run(self) -> None:
        await every(_TURN_S, self._turn, self.name)

    async def _turn(self) -> None:
        for process in await asyncio.to_thread(lambda: list(self._presence.dead())):
            await self._bury(process)
        if time.monotonic() - self._looked > self._expiry_every:
            self._looked = time.monotonic()
            lost = await self._database.write(lambda c: lease.lose_expired(c, self._policy))
            for job in lost:
                log.warning("job %s: its lease has run out", job)

    async def _bury(self, process: str) -> None:
        lost = await self._database.write(lambda c: lease.lose_of_workers(c, [process], self._policy))
        await self._database.write(lambda c: idempotency.abandon_processes(c, [process]))
        await self._database.write(lambda c: workers.forget(c, [process]))
        await asyncio.to_thread(shutil.rmtree, self._scratch / process, ignore_errors=True)
        await asyncio.to_thread(self._presence.forget, process)
        log.warning("process %s of this host is gone; jobs returned: %s", process, ", ".join(lost) or "none")
