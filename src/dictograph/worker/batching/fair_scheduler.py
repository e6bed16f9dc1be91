"""Who goes next: by priority, then the owner that was served longest ago, then the job that was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dictograph.worker.batching.job_queue import Batch, JobQueue

#: So many batches of newcomers may go before the others in a row.
_IN_A_ROW = 4


class FairScheduler:
    """The turns that lanes and their owners had.

    `yields`: whether a newcomer may go before the batch that was taken last. Not before one of newcomers, nor before
    one that they let go first.
    """

    def __init__(self) -> None:
        self.preemptible = False
        self._turn = 0
        self._of_owners: dict[str, int] = {}
        self._in_a_row = 0  # batches of newcomers, while others waited
        self._before: tuple[dict[str, int], dict[JobQueue, int]] = {}, {}

    def rank(self, job: JobQueue) -> tuple[int, int, int]:
        """The lowest goes first."""
        return (-job.priority, self._of_owners.get(job.owner, 0), job.served)

    def first(self, ready: Sequence[JobQueue]) -> JobQueue | None:
        """Who begins a batch."""
        best = min(ready, key=self.rank, default=None)
        if best is None or best.started or self._in_a_row < _IN_A_ROW:
            return best
        others = (job for job in ready if job.started and job.priority == best.priority)
        return min(others, key=self.rank, default=best)

    def next_batch(self, jobs: Iterable[JobQueue]) -> None:
        """A batch is about to be taken."""
        self._before = dict(self._of_owners), {job: job.served for job in jobs}

    def served(self, job: JobQueue) -> None:
        """It gave a window to be transcribed."""
        self._turn += 1
        job.served = self._of_owners[job.owner] = self._turn

    def taken(self, batch: Batch, jobs: Iterable[JobQueue]) -> None:
        """This batch goes to be transcribed."""
        self.preemptible = batch[0][0].started and self._in_a_row < _IN_A_ROW
        if not batch[0][0].started:
            waited = any(job.started and job.waiting for job in jobs)
            self._in_a_row = self._in_a_row + 1 if waited else 0

    def transcribed(self, batch: Batch) -> None:
        """The batch that was taken last is done."""
        if any(job.started for job, _ in batch):
            self._in_a_row = 0
        for job, _ in batch:
            job.started = True

    def take_back(self, batch: Batch) -> None:
        """The batch that was taken last makes way: its lanes did not have their turns."""
        of_owners, of_lanes = self._before
        for job, _ in batch:
            job.served = of_lanes[job]
            if job.owner in self._of_owners:
                self._of_owners[job.owner] = of_owners.get(job.owner, 0)

    def forget(self, owner: str) -> None:
        """None of its jobs is here any more."""
        self._of_owners.pop(owner, None)
