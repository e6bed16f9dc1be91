"""Write what became of an attempt: the job is completed, has failed, is given back, or is no longer ours."""

from __future__ import annotations

import logging
import time

from sqlalchemy import Connection

from dictograph.errors import DictographError, ModelOutOfReach, NotFound, StorageFull, StorageUnavailable
from dictograph.job import ErrorRecord, Job, JobStatus, Lease, SourceKind
from dictograph.runtime.crash import Point
from dictograph.runtime.redaction import without_folders
from dictograph.store.jobs import finish
from dictograph.store.jobs.read import get_job
from dictograph.worker.agent import TRANSIENT_ERRORS
from dictograph.worker.attempt.context import WorkerContext
from dictograph.worker.attempt.outcome import Completed, Failed, Lost, Outcome, Released

log = logging.getLogger(__name__)

#: Errors that are no job's fault and may pass with time: its attempts are spread over the policy's patience.
_OUT_OF_REACH = (ModelOutOfReach, StorageFull, StorageUnavailable)


class Resolution:
    """Resolves one attempt, which begins when this is made."""

    def __init__(self, context: WorkerContext, lease: Lease) -> None:
        self._context = context
        self._write = context.database.write
        self._lease = lease
        self._began = time.monotonic()

    async def write(self, job: Job, outcome: Outcome) -> None:
        """Write what became of the attempt. Raises LeaseLost, and errors of the database that may pass."""
        match outcome:
            case Completed():
                await self._write(self._complete)
                self._context.crash.reach(Point.JOB_COMPLETED)
                self._observe_end(job, None)
                log.info("job %s: completed", job.id)
            case Failed(error):
                await self._fail(job, error)
            case Released():
                await self._write(lambda c: finish.release(c, self._lease))
                log.info("job %s: given back", job.id)
            case Lost():
                await self.log_lost(job)

    async def log_lost(self, job: Job) -> None:
        """Log why the attempt ended. That a client cancelled or deleted the job is no loss."""
        try:
            status = (await self._context.database.read(lambda c: get_job(c, None, job.id))).status
            intended = status is JobStatus.CANCELLED
        except NotFound:
            intended = True
        except TRANSIENT_ERRORS:
            intended = False
        if intended:
            log.debug("job %s: cancelled or deleted; attempt %d ends", job.id, self._lease.attempt)
        else:
            log.info("job %s: no longer ours; attempt %d ends", job.id, self._lease.attempt)

    def _complete(self, connection: Connection) -> None:
        finish.complete(connection, self._lease)
        self._context.crash.reach(Point.JOB_COMPLETING)

    def _without_folders(self, job: Job, message: str) -> str:
        """Remove the machine's folders from a message to clients, except the path that the client named.

        Without a service the reader is the user of the machine, and needs them.
        """
        if self._context.sources.in_place:
            return message
        source = job.source
        return without_folders(message, source.location if source.kind is SourceKind.PATH else "")

    async def _fail(self, job: Job, error: DictographError) -> None:
        record = ErrorRecord(
            error.code, self._without_folders(job, error.message), error.stage.value if error.stage else None
        )
        if record.message != error.message:
            log.warning("job %s: %s", job.id, error.message)  # the whole message, for the operator
        policy = self._context.policy
        if isinstance(error, _OUT_OF_REACH):
            policy = policy.patient()
        failed = await self._write(lambda c: finish.fail(c, self._lease, record, error.retryable, policy))
        if failed.status.ended:
            self._observe_end(job, error.code)
        log.warning(
            "job %s: attempt %d failed (%s: %s); now %s", job.id, failed.attempt, error.code, error, failed.status
        )

    def _observe_end(self, job: Job, code: str | None) -> None:
        self._context.observer.ended(job, time.monotonic() - self._began, code)
