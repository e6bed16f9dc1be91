"""The claimer fills the worker's free slots with the best jobs there are.

Two things need more than that. A claim whose answer got lost with the database may have been made: whatever the
worker holds and knows nothing of is given back. And a job that has to run beside no other would never find a busy
worker empty: when it has waited for long, the worker claims no other and gives back those that it runs, each after
its next window.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time

from dictograph.queue import Queue
from dictograph.runtime.crash import Point
from dictograph.store.jobs.claim import Claim, Claimant, PutOff, claim_job, has_waiting_exclusive_job
from dictograph.store.jobs.finish import release_unknown
from dictograph.worker.agent import TRANSIENT_ERRORS
from dictograph.worker.leases.lease_renewer import LeaseRenewer
from dictograph.worker.runner import Runner, WorkerContext
from dictograph.worker.storage_health import StorageHealth

log = logging.getLogger(__name__)

#: What a job that was stopped needs at least to put its things away and be given back, in seconds.
_LEAST_GRACE_S = 3.0


class Claimer:
    """Claims while there are free slots; waits for the queue, a free slot, or the poll interval otherwise."""

    name = "claimer"

    def __init__(
        self,
        context: WorkerContext,
        queue: Queue,
        lease_renewer: LeaseRenewer,
        storage: StorageHealth,
        *,
        worker_id: str,
        lease_seconds: float,
        slots: int,
        poll_interval: float,
    ) -> None:
        self._context = context
        self._queue = queue
        self._keeper = lease_renewer
        self._storage = storage
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._slots = slots
        self._poll_interval = poll_interval
        self._running: dict[str, tuple[Runner, asyncio.Task[None]]] = {}
        self._alone: str | None = None
        self._in_doubt_until: float | None = None
        self._patience = lease_seconds * random.uniform(1, 2)  # so that not all workers make room at once
        self._room_looked = time.monotonic()
        self._making_room = False
        self._stopping = False
        self._freed = asyncio.Event()
        self._claiming = asyncio.Lock()

    @property
    def running(self) -> int:
        return len(self._running)

    async def run(self) -> None:
        while True:
            try:
                can_run = await self._storage.is_there()
                claimed = self._may_claim() and await self._claim_in_order(can_run)
            except TRANSIENT_ERRORS as error:
                log.warning("claimer: %s", error)
                claimed = False
            if not claimed:
                await self._news()

    async def stop(self, grace: float) -> None:
        """Claim no more; jobs are given back at their next commit, or after half of `grace` seconds."""
        self._stopping = True
        for runner, _ in self._running.values():
            runner.release_after_window()
        await self._all_ended(grace / 2)
        for runner, _ in self._running.values():
            runner.release_now()
        await self._claim_under_way()
        await self._all_ended(max(grace / 2, _LEAST_GRACE_S))

    async def _claim_under_way(self) -> None:
        """Let a claim come to its end: what it took would be held by nobody until its lease runs out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAST_GRACE_S), self._claiming:
                return

    async def _all_ended(self, timeout: float) -> None:
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def _may_claim(self) -> bool:
        return not self._stopping and self._alone is None and len(self._running) < self._slots

    async def _claim_in_order(self, can_run: bool) -> bool:
        await self._put_right()
        if not can_run:
            return False
        await self._look_for_starving()
        if self._making_room and self._running:
            return False
        return await self._claim()

    async def _put_right(self) -> None:
        """Give back what was claimed without our hearing of it. A write that nobody waits for any more may land late,
        so this is done again and again for as long as a lease lasts."""
        if self._in_doubt_until is None:
            return
        last = time.monotonic() > self._in_doubt_until
        async with self._claiming:
            known = list(self._running)
            for job in await self._context.database.write(lambda c: release_unknown(c, self._worker_id, known)):
                log.warning("job %s: was claimed while the database was away; given back", job)
        if last:
            self._in_doubt_until = None

    async def _look_for_starving(self) -> None:
        """See whether a job waits for this worker to be empty, seldom; and often once it does."""
        now = time.monotonic()
        if not self._making_room and (not self._running or now - self._room_looked < self._lease_seconds / 2):
            return
        self._room_looked = now
        claimant = self._claimant()
        self._making_room = await self._context.database.read(
            lambda c: has_waiting_exclusive_job(c, claimant, self._patience)
        )
        if self._making_room:
            for runner, _ in self._running.values():
                runner.release_after_window()

    def _claimant(self) -> Claimant:
        return Claimant(
            self._worker_id,
            self._lease_seconds,
            self._context.catalog.runnable(),
            busy=bool(self._running),
            for_starving=self._making_room,
        )

    async def _claim(self) -> bool:
        claimant = self._claimant()
        began = time.monotonic()
        async with self._claiming:
            try:
                # A database that was locked for long may come to this only after the worker has stopped.
                claim = await self._context.database.write(lambda c: None if self._stopping else claim_job(c, claimant))
            except TRANSIENT_ERRORS:
                self._in_doubt_until = time.monotonic() + self._lease_seconds
                raise
            if claim is None or isinstance(claim, PutOff):
                return claim is not None
            self._context.crash.reach(Point.JOB_CLAIMED)
            self._start(claim, began)
            return True

    def _start(self, claim: Claim, began: float) -> None:
        job = claim.job
        log.info("job %s: attempt %d begins (%s)", job.id, claim.lease.attempt, job.filename)
        if claim.exclusive:
            self._alone = claim.lease.token
        runner = Runner(self._context, claim, on_commit=lambda: self._no_longer_alone(claim.lease.token))
        self._keeper.hold(claim.lease, began, runner.cancel_lost, runner.abandon)
        task = runner.start()
        self._running[claim.lease.token] = (runner, task)
        task.add_done_callback(lambda _: self._ended(runner))
        if self._stopping:
            runner.release_now()

    def _ended(self, runner: Runner) -> None:
        token = runner.lease.token
        self._keeper.drop(runner.lease)
        self._running.pop(token, None)
        self._no_longer_alone(token)
        self._freed.set()

    def _no_longer_alone(self, token: str) -> None:
        # A job whose lease was lost runs beside nothing until it has committed a window: so it was not to blame.
        if self._alone == token:
            self._alone = None
            self._freed.set()

    async def _news(self) -> None:
        """Wait for the queue, the poll interval, or a free slot."""
        heard = asyncio.create_task(self._queue.heard(self._poll_interval))
        freed = asyncio.create_task(self._freed.wait())
        try:
            await asyncio.wait({heard, freed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            heard.cancel()
            freed.cancel()
            self._freed.clear()
