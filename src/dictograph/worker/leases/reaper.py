"""Return the jobs of workers that are gone: at once on this host, else when their leases are stalled."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from pathlib import Path

from sqlalchemy import Connection

from dictograph.runtime.process_lock import ProcessLock
from dictograph.store import clock_skew, idempotency, workers
from dictograph.store.clock import read_clock
from dictograph.store.database import Database
from dictograph.store.jobs import lease
from dictograph.store.jobs.lease import HeldLease, RetryPolicy
from dictograph.worker.agent import every
from dictograph.worker.leases.lease_monitor import ClockRollbackDetector, StalledLeaseDetector
from dictograph.worker.relays.outlets import RESEND_CAP_S

log = logging.getLogger(__name__)

_TURN_S = 0.5

#: How much the database's clock may lose against ours (s) before the delays of jobs are shortened.
_SET_BACK_S = 1.0

#: The most jobs that one transaction returns.
_BATCH = 100


class Reaper:
    """Checks for dead processes of this host twice a second, and all leases several times within a lease."""

    name = "reaper"

    def __init__(
        self, database: Database, process_lock: ProcessLock, scratch: Path, policy: RetryPolicy, lease_seconds: float
    ) -> None:
        self._database = database
        self._process_lock = process_lock
        self._scratch = scratch
        self._policy = policy
        self._check_every = max(_TURN_S, lease_seconds / 6)
        self._stalled = StalledLeaseDetector(lease_seconds, 1.25 * self._check_every)
        self._clock = ClockRollbackDetector(_SET_BACK_S)
        self._checked = -self._check_every

    async def run(self) -> None:
        await every(_TURN_S, self._turn, self.name)

    async def _turn(self) -> None:
        for process in await asyncio.to_thread(lambda: list(self._process_lock.dead())):
            await self._reap(process)
        if time.monotonic() - self._checked >= self._check_every:
            self._checked = time.monotonic()
            await self._check_leases()

    async def _check_leases(self) -> None:
        clock, now, held = await self._database.write(self._watch)
        if self._clock.was_set_back(clock, now):
            await self._end_long_waits()
        stalled = self._stalled.look(held, now)[:_BATCH]
        if stalled:
            for job in await self._database.write(lambda c: lease.lose_silent(c, stalled, self._policy)):
                log.warning("job %s: its lease has run out", job)

    def _watch(self, conn: Connection) -> tuple[float, float, list[HeldLease]]:
        # It writes, so that it fails when nothing can be written: then no worker can renew, and no time counts.
        workers.touch(conn, self._process_lock.id)
        # Both clocks are read here: after a slow commit the database's would seem to have been set back.
        return read_clock(conn), time.monotonic(), lease.held_leases(conn)

    async def _end_long_waits(self) -> None:
        if count := await self._database.write(
            lambda c: clock_skew.clamp_delays(c, self._policy.longest, RESEND_CAP_S)
        ):
            log.warning("the database's clock was set back; jobs that wait no longer: %d", count)

    async def _reap(self, process: str) -> None:
        lost = await self._database.write(lambda c: lease.lose_of_workers(c, [process], self._policy))
        await self._database.write(lambda c: idempotency.abandon_processes(c, [process]))
        await self._database.write(lambda c: workers.forget(c, [process]))
        await asyncio.to_thread(shutil.rmtree, self._scratch / process, ignore_errors=True)
        await asyncio.to_thread(self._process_lock.forget, process)
        log.warning("process %s of this host is gone; jobs returned: %s", process, ", ".join(lost) or "none")
