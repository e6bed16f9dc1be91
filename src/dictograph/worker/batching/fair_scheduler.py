"""Choose the next job: by priority, then the owner that was served longest ago, then the job that was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dictograph.worker.batching.job_queue import Batch, JobQueue

#: The number of batches of new jobs that may go before started jobs in a row.
_IN_A_ROW = 4


class FairScheduler:
    """Remembers when each job and each owner was served last.

    `preemptible`: whether a new job may preempt the batch that was taken last. A batch of new jobs is not preemptible,
    nor is a batch of started jobs that went first because many batches of new jobs had gone before it.
    """

    def __init__(self) -> None:
        self.preemptible = False
        self._count = 0
        self._of_owners: dict[str, int] = {}
        self._in_a_row = 0  # batches of new jobs, while started ones waited
        self._before: tuple[dict[str, int], dict[JobQueue, int]] = {}, {}

    def rank(self, job: JobQueue) -> tuple[int, int, int]:
        """Return the rank of a job; the lowest rank goes first."""
        return (-job.priority, self._of_owners.get(job.owner, 0), job.served)

    def first(self, ready: Sequence[JobQueue]) -> JobQueue | None:
        """Return the job whose window begins the next batch."""
        best = min(ready, key=self.rank, default=None)
        if best is None or best.started or self._in_a_row < _IN_A_ROW:
            return best
        others = (job for job in ready if job.started and job.priority == best.priority)
        return min(others, key=self.rank, default=best)

    def next_batch(self, jobs: Iterable[JobQueue]) -> None:
        """Remember the state before a batch is taken, for `take_back`."""
        self._before = dict(self._of_owners), {job: job.served for job in jobs}

    def served(self, job: JobQueue) -> None:
        """Record that a window of the job was taken to be transcribed."""
        self._count += 1
        job.served = self._of_owners[job.owner] = self._count

    def taken(self, batch: Batch, jobs: Iterable[JobQueue]) -> None:
        """Record that a batch was taken to be transcribed."""
        self.preemptible = batch[0][0].started and self._in_a_row < _IN_A_ROW
        if not batch[0][0].started:
            waited = any(job.started and job.waiting for job in jobs)
            self._in_a_row = self._in_a_row + 1 if waited else 0

    def transcribed(self, batch: Batch) -> None:
        """Record that the batch that was taken last is transcribed: its jobs have started."""
        if any(job.started for job, _ in batch):
            self._in_a_row = 0
        for job, _ in batch:
            job.started = True

    def take_back(self, batch: Batch) -> None:
        """Undo `served` for the batch that was taken last: it is preempted."""
        of_owners, of_jobs = self._before
        for job, _ in batch:
            job.served = of_jobs[job]
            if job.owner in self._of_owners:
                self._of_owners[job.owner] = of_owners.get(job.owner, 0)

    def forget(self, owner: str) -> None:
        """Forget an owner who has no job in the queue any more."""
        self._of_owners.pop(owner, None)
