"""The task: it waits until its job has ended, and returns its text. A host runs the job.

Before a limit of Celery's would end it, the task puts itself back into the queue, under the same id. So a limit, and a
message that becomes visible again, cost no job anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NoReturn

from celery.exceptions import Reject, SoftTimeLimitExceeded

from dictograph.celery.job_errors import OF_JOBS, JobCancelled, JobFailed, JobUnknown
from dictograph.celery.stop_line import StopLine
from dictograph.celery.waiter import Ended, StillRunning, Waiter
from dictograph.errors import NotFound
from dictograph.job import Job, JobStatus
from dictograph.queue.celery_tasks import TASK

if TYPE_CHECKING:
    from dictograph.celery.app import DictographCelery

#: The parts of a soft limit, of a hard limit, and of the time after which a message is delivered again, at which the
#: task leaves by itself. A signal in the middle of a query is then the exception.
_OF_SOFT, _OF_HARD, _OF_VISIBILITY = 0.9, 0.8, 0.8

#: At least this time before a limit, in seconds; more is not needed either.
_LEAST_S, _MOST_S = 0.3, 10.0


class _Process:
    """What a process of the pool has: its waiter, made at the first task, and the line that says when to stop."""

    line: StopLine | None = None
    waiter: Waiter | None = None
    app: DictographCelery | None = None


def listen_to(line: StopLine) -> None:
    """Have the tasks of this process, and of those that are forked from it, end when this line says so."""
    _Process.line = line


def register(app: DictographCelery) -> None:
    """Add the task to an application."""

    @app.task(  # type: ignore[untyped-decorator] # Celery ships no types
        name=TASK,
        bind=True,
        shared=False,
        throws=OF_JOBS,
        max_retries=None,
        reject_on_worker_lost=True,
        Request="dictograph.celery.request:WaitingRequest",
    )
    def process_audio(task: Any, job_id: str, filename: str = "", mode: str | None = None) -> dict[str, Any]:  # noqa: ARG001 - the job's row has them
        """Wait for a job, and return its text and the seconds that it took."""
        try:
            return _result(_waiter(app).wait(str(job_id), _deadline(task, app)))
        except NotFound as error:
            raise JobUnknown(str(error)) from None
        except (StillRunning, SoftTimeLimitExceeded):
            _put_back(task)


def _waiter(app: DictographCelery) -> Waiter:
    if _Process.waiter is None or _Process.app is not app:
        _Process.waiter, _Process.app = Waiter(app.settings, _pause), app
    return _Process.waiter


def _pause(seconds: float) -> bool:
    if _Process.line is not None:
        return _Process.line.wait(seconds)
    time.sleep(seconds)
    return False


def _deadline(task: Any, app: DictographCelery) -> float:
    """Return when the task has to leave, by the monotonic clock. The sender's limits are stronger than the worker's."""
    hard, soft = task.request.timelimit or (None, None)
    limits = [
        _before(soft or app.conf.task_soft_time_limit, _OF_SOFT),
        _before(hard or app.conf.task_time_limit, _OF_HARD),
        _before(app.settings.celery_visibility, _OF_VISIBILITY),
    ]
    return time.monotonic() + min(limits)


def _before(limit: float | None, part: float) -> float:
    if not limit:
        return float("inf")
    return max(limit - min(max(limit * (1 - part), _LEAST_S), _MOST_S), limit / 2)


def _put_back(task: Any) -> NoReturn:
    """End the task without an outcome; its message, with the same id, goes to the end of the queue."""
    if task.acks_late:
        raise Reject("The job has not ended; another task waits for it.", requeue=True)
    raise task.retry(countdown=0, max_retries=None)  # the message is gone: a new one with the same id


def _result(ended: Ended) -> dict[str, Any]:
    job = ended.job
    if job.status is JobStatus.COMPLETED:
        return {"text": ended.text, "processing_time": job.processing_seconds}
    raise (JobCancelled if job.status is JobStatus.CANCELLED else JobFailed)(_why(job))


def _why(job: Job) -> str:
    if job.error is None:
        return f"Job {job.id} was cancelled." if job.status is JobStatus.CANCELLED else f"Job {job.id} has failed."
    return f"{job.error.message} ({job.error.code})"
