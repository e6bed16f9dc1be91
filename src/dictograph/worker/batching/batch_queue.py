"""The queue of one engine: it forms batches from the windows of several jobs.

Every job has a queue of its own (`JobQueue`). A batch is filled one window at a time; the scheduler says from which
job the next window comes (`fair_scheduler.py`). A short job therefore waits for one batch, whatever else runs, and the
hundred jobs of one owner do not hold up the single job of another.

A job is *new* until its first window is transcribed; then it has *started*. The first text of a new job does not wait
for windows of jobs that have started: a batch that begins with a window of a new job holds only windows of new jobs,
and no more of them than can be decoded in parallel. While new jobs come to an engine that is busy, all batches are that
small, since the next new job has to wait for the running one. However many new jobs come, one batch in every few is for
a job that has started: it goes on, if slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

from dictograph.engine.protocol import WindowOptions
from dictograph.errors import DictographError
from dictograph.worker.batching.fair_scheduler import FairScheduler
from dictograph.worker.batching.job_queue import Batch, Detect, JobQueue, WindowRequest

#: How long after a new job came to a busy engine another one is expected, in seconds.
_LATELY_S = 30.0

#: How long a job may take from the answer about its language to its first window: a commit on a busy machine (s).
_ANSWER_S = 0.5


class BatchQueue:
    """The job queues of one engine, and the batches taken from them."""

    def __init__(self) -> None:
        self._jobs: list[JobQueue] = []
        self._scheduler = FairScheduler()
        self._crowded_until = 0.0
        self._changed = asyncio.Event()

    def open(self, job_id: str, owner: str, priority: int) -> JobQueue:
        """Add a new job to the queue."""
        job = JobQueue(job_id, owner, priority)
        if self._jobs:
            self._crowded_until = time.monotonic() + _LATELY_S
        self._jobs.append(job)
        return job

    def close(self, job: JobQueue) -> None:
        """Remove a job; its waiting windows are dropped."""
        job.closed = True
        job.answered = False
        for request in job.waiting:
            request.done.cancel()
        job.waiting.clear()
        if job in self._jobs:
            self._jobs.remove(job)
        if not any(other.owner == job.owner for other in self._jobs):
            self._scheduler.forget(job.owner)
        self._changed.set()

    def put(self, job: JobQueue, request: WindowRequest) -> None:
        """Add a window at the end of its job's queue."""
        job.waiting.append(request)
        job.answered = False
        self._changed.set()

    def put_back(self, batch: Batch, *, alone: bool) -> None:
        """Return the windows of a batch to the front of their queues, in order.

        `alone`: each of them is then tried in a batch of one.
        """
        for job, request in reversed(batch):
            job.held = False
            if not job.closed:
                request.alone = request.alone or alone
                job.waiting.appendleft(request)
        self._changed.set()

    def let_go(self, job: JobQueue) -> None:
        """Allow the next windows of a job to be taken: its results are committed."""
        job.held = False
        self._changed.set()

    def fail(self, error: DictographError) -> None:
        """Fail all waiting windows of all jobs with one error."""
        for job in self._jobs:
            while job.waiting:
                _fail(job.waiting.popleft(), error)

    @property
    def idle(self) -> bool:
        return not self._jobs

    async def something(self) -> None:
        """Wait until a batch could be taken."""
        while not any(job.ready for job in self._jobs):
            self._changed.clear()
            await self._changed.wait()

    async def gather(self, most: int, seconds: float) -> None:
        """Wait up to `seconds` for windows that are about to come, unless `most` of them wait already.

        A job that just got the answer about its language is waited for in any case: otherwise all other windows would
        go before its first one, and take much longer.
        """
        await self._while(self._is_answered, _ANSWER_S)
        for job in self._jobs:
            job.answered = False
        await self._while(lambda: self._about_to_come(most), seconds)

    async def _while(self, condition: Callable[[], bool], seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while condition():
                    self._changed.clear()
                    await self._changed.wait()

    def _is_answered(self) -> bool:
        return any(job.answered and not job.waiting for job in self._jobs)

    def _about_to_come(self, most: int) -> bool:
        ready = sum(len(job.waiting) for job in self._jobs if job.ready)
        return ready < most and any(job.held for job in self._jobs)

    def take(self, most: int, small: int = 0) -> Batch:
        """Take the next batch: at most `most` windows that may be decoded together; empty if none waits.

        A batch of new jobs has `small` windows (0: `most`), but at least one window of each new job. A batch of started
        jobs has as many if a new job has come lately. A job whose window was taken is held until `let_go`.
        """
        batch: Batch = []
        self._scheduler.next_batch(self._jobs)
        while len(batch) < most and (job := self._next_job(batch, small or most)):
            request = job.waiting.popleft()
            batch.append((job, request))
            if isinstance(request.what, WindowOptions):  # detection is not counted: the first text would have to wait
                self._scheduler.served(job)
        for job, _ in batch:
            job.held = True
        if _to_transcribe(batch):
            self._scheduler.taken(batch, self._jobs)
        return batch

    @property
    def preemptible(self) -> bool:
        """Whether a new job may preempt the batch that was taken last."""
        return self._scheduler.preemptible

    def new_job_before(self, batch: Batch) -> bool:
        """Return whether a new job waits that would go before the running batch if that were put back."""
        rank = self._scheduler.rank
        best = min(self._ready(), key=rank, default=None)
        if best is None or best.started or not self.preemptible:
            return False
        return all(rank(best) < rank(job) for job, _ in batch)

    def preempt(self, batch: Batch) -> None:
        """Put the running batch back, so that a new job goes first."""
        self._scheduler.take_back(batch)
        self.put_back(batch, alone=False)

    def done(self, batch: Batch) -> None:
        """Record that the engine has answered a batch."""
        for job, request in batch:
            job.answered = isinstance(request.what, Detect) and not job.closed
        if _to_transcribe(batch):
            self._scheduler.transcribed(batch)

    def _ready(self) -> list[JobQueue]:
        return [job for job in self._jobs if job.ready]

    def _next_job(self, batch: Batch, small: int) -> JobQueue | None:
        if not batch:
            return self._scheduler.first(self._ready())
        leader, first = batch[0]
        enough = len(batch) >= small and _to_transcribe(batch)
        if first.single or (enough and leader.started and time.monotonic() < self._crowded_until):
            return None
        given = [job for job, _ in batch] if enough and not leader.started else []

        def fits(job: JobQueue) -> bool:
            request = job.waiting[0]
            new_enough = leader.started or not job.started
            return new_enough and job not in given and request.what == first.what and not request.single

        return min(filter(fits, self._ready()), key=self._scheduler.rank, default=None)


def _to_transcribe(batch: Batch) -> bool:
    return bool(batch) and isinstance(batch[0][1].what, WindowOptions)


def _fail(request: WindowRequest, error: DictographError) -> None:
    if not request.done.done():
        request.done.set_exception(error)
