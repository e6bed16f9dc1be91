"""Whose turn it is: windows of several jobs on their way to one engine.

Every job has a lane. A batch is filled one window at a time, by turns (`turns.py`). So a short note waits
for one batch, whatever else runs, and nobody's hundred jobs hold up another's one. Nor does a job's
first text wait for windows of those that had theirs: a batch that begins with a newcomer's window
carries only newcomers', and no more of them than can be decoded side by side. While newcomers come to
an engine that is busy, all batches are that small: who comes next waits for the one under way. However
many come, every few batches one is for a job that had its first text: it goes on, if slowly.
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

#: For so long after a newcomer came to a busy engine another one is reckoned with, in seconds.
_LATELY_S = 30.0

#: How long a job that was told its language may take to send its first window: a commit on a busy machine (s).
_ANSWER_S = 0.5


class BatchQueue:
    """All lanes of one engine."""

    def __init__(self) -> None:
        self._jobs: list[JobQueue] = []
        self._scheduler = FairScheduler()
        self._crowded_until = 0.0
        self._changed = asyncio.Event()

    def open(self, job_id: str, owner: str, priority: int) -> JobQueue:
        job = JobQueue(job_id, owner, priority)
        if self._jobs:
            self._crowded_until = time.monotonic() + _LATELY_S
        self._jobs.append(job)
        return job

    def close(self, job: JobQueue) -> None:
        """The job is over: what it still had waiting is dropped."""
        job.closed = True
        job.answered = False
        for item in job.waiting:
            item.done.cancel()
        job.waiting.clear()
        if job in self._jobs:
            self._jobs.remove(job)
        if not any(other.owner == job.owner for other in self._jobs):
            self._scheduler.forget(job.owner)
        self._changed.set()

    def put(self, job: JobQueue, item: WindowRequest) -> None:
        job.waiting.append(item)
        job.answered = False
        self._changed.set()

    def put_back(self, batch: Batch, *, alone: bool) -> None:
        """Return what was taken, to the front and in order."""
        for job, item in reversed(batch):
            job.held = False
            if not job.closed:
                item.alone = item.alone or alone
                job.waiting.appendleft(item)
        self._changed.set()

    def let_go(self, job: JobQueue) -> None:
        """The lane's results are committed: its next windows may be taken."""
        job.held = False
        self._changed.set()

    def fail(self, error: DictographError) -> None:
        """Nothing can be done for anybody who waits now."""
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
        """Wait a moment for windows that are about to come, unless there are `most`.

        For a job that was told its language in any case: everything else would go before its first
        window, and take much longer.
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
        """The next batch: at most `most` windows that may be decoded together; empty if none waits.

        Of newcomers it carries `small` windows (0: `most`), but one of each in any case; of others as many if
        newcomers have come lately. A lane that gave a window is held until `let_go`.
        """
        batch: Batch = []
        self._scheduler.next_batch(self._jobs)
        while len(batch) < most and (job := self._next_job(batch, small or most)):
            item = job.waiting.popleft()
            batch.append((job, item))
            if isinstance(item.what, WindowOptions):  # to be told a language is no turn: the first text would wait
                self._scheduler.served(job)
        for job, _ in batch:
            job.held = True
        if _to_transcribe(batch):
            self._scheduler.taken(batch, self._jobs)
        return batch

    @property
    def preemptible(self) -> bool:
        """Whether a newcomer may go before the batch that was taken last."""
        return self._scheduler.preemptible

    def new_job_before(self, batch: Batch) -> bool:
        """Whether a newcomer has come that goes before the batch under way, were that put back."""
        rank = self._scheduler.rank
        best = min(self._ready(), key=rank, default=None)
        if best is None or best.started or not self.preemptible:
            return False
        return all(rank(best) < rank(job) for job, _ in batch)

    def preempt(self, batch: Batch) -> None:
        """Put the batch under way back, for a newcomer."""
        self._scheduler.take_back(batch)
        self.put_back(batch, alone=False)

    def done(self, batch: Batch) -> None:
        """The engine has answered."""
        for job, item in batch:
            job.answered = isinstance(item.what, Detect) and not job.closed
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
            item = job.waiting[0]
            with_newcomers = leader.started or not job.started
            return with_newcomers and job not in given and item.what == first.what and not item.single

        return min(filter(fits, self._ready()), key=self._scheduler.rank, default=None)


def _to_transcribe(batch: Batch) -> bool:
    return bool(batch) and isinstance(batch[0][1].what, WindowOptions)


def _fail(item: WindowRequest, error: DictographError) -> None:
    if not item.done.done():
        item.done.set_exception(error)
