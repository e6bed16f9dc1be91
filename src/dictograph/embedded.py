"""Transcription without a running service: a complete application in this process, on a temporary folder.

So the command line and Python programs get the same pipeline, with the same results, as a server's clients. Nothing
is left afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from dictograph.bootstrap import Application, open_application
from dictograph.errors import DictographError, LostWorker, PathNotAllowed, Stage
from dictograph.job import ErrorRecord, JobStatus
from dictograph.runtime.temporary import temporary_data_folder
from dictograph.service.request import JobRequest, check_options
from dictograph.settings.loading import load
from dictograph.settings.model import Settings
from dictograph.transcript import Transcript

T = TypeVar("T")

_FOREVER_S = 10 * 365 * 86_400.0


class JobFailed(DictographError):
    """A job ended without a transcript. `code`, `message` and `stage` are those of the job's error."""

    def __init__(self, record: ErrorRecord) -> None:
        super().__init__(record.message)
        self.code = record.code  # type: ignore[misc] # the code of the job's error
        self.stage = Stage(record.stage) if record.stage else None  # type: ignore[misc] # as above


@asynccontextmanager
async def local_application(settings: Settings) -> AsyncIterator[Application]:
    """Yield a running application on a temporary data folder. It may read any path of this machine.

    It takes the engine sphinx only when asked: a person who waits can get weights, and would not read a warning.
    """
    with temporary_data_folder() as folder:
        here = {
            "data_dir": folder,
            "database_url": "",
            "storage_url": "",
            "queue_url": "database:",
            "scratch_dir": None,
            "path_upload_dir": None,
            "path_roots": [Path("/")],
            "crash_at": "",
            "weights_patience": 0.0,  # a person is waiting
            "shutdown_grace": 0.0,  # nobody is left to give a job back to
        }
        opening = open_application(settings.model_copy(update=here), worker=True, in_place=True, last_resort=False)
        async with opening as application:
            yield application


def transcribe(path: str | Path, *, settings: Settings | Mapping[str, Any] | None = None, **options: Any) -> Transcript:
    """Transcribe a file, in this process and its children. Safe to call from a plain script or a notebook.

    Args:
        path: the audio or video file.
        settings: a `Settings`, or values for some of its fields (`{"engine": "sphinx"}`); the rest
            comes from the environment and files as for the service.
        **options: the fields of `dictograph.job.Options`, as `language="de"` or `word_timestamps=True`.

    Raises:
        DictographError: one of its kinds, with a `code` and a message that says what to do.
        PathNotAllowed: there is no such file.
        JobFailed: the audio could not be transcribed; it carries the job's error.
    """
    file = str(Path(path).absolute())
    if not os.path.isfile(file):
        raise PathNotAllowed(f"There is no file {file}.", param="path")
    effective = settings if isinstance(settings, Settings) else load(settings).settings

    async def run() -> Transcript:
        async with local_application(effective) as application:
            request = JobRequest(check_options(options, strict=True))
            accepted = await application.services.intake.path(request, file)
            return await unless_the_worker_dies(application, finished(application, accepted.job.id))

    return run_in_own_loop(run)


async def unless_the_worker_dies(application: Application, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`, which waits for jobs. Raises LostWorker when the worker has died."""
    assert application.worker is not None
    task, death = asyncio.create_task(work), asyncio.create_task(application.worker.died())
    try:
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise LostWorker(f"A part of Dictograph has died: {death.result()}.")
    finally:
        for one in (task, death):
            one.cancel()
        await asyncio.wait({task, death})


async def finished(application: Application, job_id: str) -> Transcript:
    """Wait for a job's end and return its transcript. Raises JobFailed."""
    services = application.services
    job = await services.jobs.wait_until_ended(None, job_id, _FOREVER_S)
    if job.status is not JobStatus.COMPLETED:
        raise JobFailed(job.error or ErrorRecord("cancelled", "The job was cancelled."))
    transcript = await services.transcripts.open(None, job_id)
    segments = await asyncio.to_thread(tuple, transcript.segments)
    return Transcript(transcript.head, segments)


def run_in_own_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on a new event loop in a new thread, whether or not the caller is inside a loop.

    An exception in the caller while it waits (Ctrl-C, the time limit of a signal handler) ends the work first.
    """
    outcome: Future[T] = Future()
    interrupted: Future[None] = Future()

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(_unless_interrupted(work(), interrupted)))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="dictograph")
    try:
        thread.start()
        wait([outcome])
    except BaseException:
        interrupted.set_result(None)
        if thread.ident is not None:  # else the thread never started
            wait([outcome])
        raise
    return outcome.result()


async def _unless_interrupted(work: Coroutine[Any, Any, T], interrupted: Future[None]) -> T:
    """Return the result of `work`, which is cancelled when its caller is interrupted."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def cancel(_: Future[None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the work ended in the same moment
            loop.call_soon_threadsafe(task.cancel)

    interrupted.add_done_callback(cancel)
    return await task
