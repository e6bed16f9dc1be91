"""The claimer fills the worker's free slots with the next jobs of the queue.

Two cases need more than that. When the database fails, a claim may have been made though its answer got lost: a job
that the worker holds without knowing it is released. And an exclusive job, which has to run beside no other, would
never find a busy worker empty: when it has waited for long, the worker claims no other job and releases those that it
runs, each after its next window.
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
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.leases.lease_renewer import LeaseRenewer
from dictograph.worker.runner import Runner
from dictograph.worker.storage_health import StorageHealth

log = logging.getLogger(__name__)

#: The least time that a stopped job needs to remove its files and be released, in seconds.
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
        self._lease_renewer = lease_renewer
        self._storage = storage
        self._worker_id = worker_id
        self._lease_seconds = lease_seconds
        self._slots = slots
        self._poll_interval = poll_interval
        self._running: dict[str, tuple[Runner, asyncio.Task[None]]] = {}
        self._exclusive: str | None = None
        self._in_doubt_until: float | None = None
        self._patience = lease_seconds * random.uniform(1, 2)  # so that not all workers empty themselves at once
        self._exclusive_checked = time.monotonic()
        self._emptying = False
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
                await self._wait()

    async def stop(self, grace: float) -> None:
        """Claim no more; release the jobs at their next commit, or after half of `grace` seconds."""
        self._stopping = True
        for runner, _ in self._running.values():
            runner.release_after_window()
        await self._all_ended(grace / 2)
        for runner, _ in self._running.values():
            runner.release_now()
        await self._finish_claim()
        await self._all_ended(max(grace / 2, _LEAST_GRACE_S))

    async def _finish_claim(self) -> None:
        """Let a running claim end: otherwise its job would belong to no worker until its lease runs out."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEAST_GRACE_S), self._claiming:
                return

    async def _all_ended(self, timeout: float) -> None:
        tasks = [task for _, task in self._running.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def _may_claim(self) -> bool:
        return not self._stopping and self._exclusive is None and len(self._running) < self._slots

    async def _claim_in_order(self, can_run: bool) -> bool:
        await self._release_unknown()
        if not can_run:
            return False
        await self._check_for_exclusive()
        if self._emptying and self._running:
            return False
        return await self._claim()

    async def _release_unknown(self) -> None:
        """Release jobs that were claimed though the answer got lost.

        A write may be committed long after the worker stopped waiting for it. So this is repeated until a lease would
        have run out.
        """
        if self._in_doubt_until is None:
            return
        last = time.monotonic() > self._in_doubt_until
        async with self._claiming:
            known = list(self._running)
            for job in await self._context.database.write(lambda c: release_unknown(c, self._worker_id, known)):
                log.warning("job %s: was claimed while the database was away; given back", job)
        if last:
            self._in_doubt_until = None

    async def _check_for_exclusive(self) -> None:
        """Check whether an exclusive job waits for an empty worker: rarely, and often once one waits."""
        now = time.monotonic()
        if not self._emptying and (not self._running or now - self._exclusive_checked < self._lease_seconds / 2):
            return
        self._exclusive_checked = now
        claimant = self._claimant()
        self._emptying = await self._context.database.read(
            lambda c: has_waiting_exclusive_job(c, claimant, self._patience)
        )
        if self._emptying:
            for runner, _ in self._running.values():
                runner.release_after_window()

    def _claimant(self) -> Claimant:
        return Claimant(
            self._worker_id,
            self._lease_seconds,
            self._context.catalog.runnable(),
            busy=bool(self._running),
            for_starving=self._emptying,
        )

    async def _claim(self) -> bool:
        claimant = self._claimant()
        began = time.monotonic()
        async with self._claiming:
            try:
                # A database that was locked for long may run this only after the worker has stopped.
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
            self._exclusive = claim.lease.token
        runner = Runner(self._context, claim, on_commit=lambda: self._end_exclusive(claim.lease.token))
        self._lease_renewer.hold(claim.lease, began, runner.cancel_lost, runner.abandon)
        task = runner.start()
        self._running[claim.lease.token] = (runner, task)
        task.add_done_callback(lambda _: self._ended(runner))
        if self._stopping:
            runner.release_now()

    def _ended(self, runner: Runner) -> None:
        token = runner.lease.token
        self._lease_renewer.drop(runner.lease)
        self._running.pop(token, None)
        self._end_exclusive(token)
        self._freed.set()

    def _end_exclusive(self, token: str) -> None:
        # A job whose lease was lost is exclusive until it has committed a window: then it was not the cause.
        if self._exclusive == token:
            self._exclusive = None
            self._freed.set()

    async def _wait(self) -> None:
        """Wait for the queue, the poll interval, or a free slot."""
        queued = asyncio.create_task(self._queue.heard(self._poll_interval))
        freed = asyncio.create_task(self._freed.wait())
        try:
            await asyncio.wait({queued, freed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            queued.cancel()
            freed.cancel()
            self._freed.clear()
